package control

import (
	"encoding/binary"
	"io"

	"github.com/truckee-fs/truckee/internal/kind"
)

// Version is the protocol's.
const Version = 1

// maxBody bounds a frame's body, in bytes.
const maxBody = 256 << 10

const frameHead = 5

// frameType is the first byte of a frame.
type frameType byte

const (
	frameHello      frameType = 'H'
	frameOut        frameType = 'O'
	frameErr        frameType = 'E'
	frameWant       frameType = 'R'
	frameInput      frameType = 'I'
	frameInputError frameType = 'Z'
	frameExit       frameType = 'X'
)

// writeFrame sends one frame by one Write.
func writeFrame(w io.Writer, t frameType, body []byte) error {
	if len(body) > maxBody {
		return kind.Errorf(kind.TooLarge, "control: a frame of %d bytes", len(body))
	}
	b := make([]byte, frameHead+len(body))
	b[0] = byte(t)
	binary.BigEndian.PutUint32(b[1:], uint32(len(body)))
	copy(b[frameHead:], body)
	_, err := w.Write(b)
	return err
}

// readFrame reads one frame. io.EOF means that the peer closed between frames.
func readFrame(r io.Reader) (frameType, []byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxBody {
		return 0, nil, kind.Errorf(kind.Invalid, "control: a frame of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return frameType(head[0]), body, nil
}

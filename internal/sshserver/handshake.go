// Copyright 2013 The Go Authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

//lint:file-ignore SA4011 upstream breaks out of a select so

package sshserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxPendingPackets sets the maximum number of packets to queue while waiting
// for KEX to complete. This limits the total pending data to maxPendingPackets
// * maxPacket bytes, which is ~16.8MB.
const maxPendingPackets = 64

// maxPendingReplies sets the maximum of bytes to queue of packets that don't
// wait, each counted as replyOverhead more. Who makes us answer more while the
// KEX is incomplete is not speaking SSH.
const (
	maxPendingReplies = 4 << 20
	replyOverhead     = 64
)

// maxKexTime is how long a key exchange after the first may take, whatever else
// the client sends meanwhile: what it had sent before it heard of the exchange
// counts, too, and a slow line needs its time for a window full of data.
const maxKexTime = 10 * time.Minute

var errSlowKex = errors.New("ssh: the key exchange took too long")

// handshakeTransport implements rekeying on top of a transport
// and offers a thread-safe writePacket() interface. One goroutine at a time
// reads.
type handshakeTransport struct {
	conn   *transport
	config *ssh.Config

	serverVersion []byte
	clientVersion []byte

	// hostKeys contains all host keys that can be used to sign the
	// connection.
	hostKeys []ssh.Signer

	// publicKeyAuthAlgorithms contains the supported client public key
	// authentication algorithms.
	publicKeyAuthAlgorithms []string

	started  bool      // a packet has been read
	readEnd  sync.Once // see readFailed
	blocking func()    // called before a writer waits for packets to be read

	mu sync.Mutex
	// Condition for the above mutex. It is used to notify a completed key
	// exchange or a write failure. Writes can wait for this condition while a
	// key exchange is in progress.
	writeCond      *sync.Cond
	writeError     error
	sentInitPacket []byte
	sentInitMsg    *kexInitMsg
	// Used to queue writes when a key exchange is in progress. The length is
	// limited by pendingPacketsSize. Once full, writes will block until the key
	// exchange is completed or an error occurs. If not empty, it is emptied
	// all at once when the key exchange is completed in kexLoop.
	pendingPackets   [][]byte
	pendingReplies   int // what those beyond maxPendingPackets count
	writePacketsLeft uint32
	writeBytesLeft   int64
	userAuthComplete bool // whether the user authentication phase is complete

	// If the read loop wants to schedule a kex, it pings this
	// channel, and the write loop will send out a kex
	// message.
	requestKex chan struct{}

	// If the other side requests or confirms a kex, its kexInit
	// packet is sent here for the write loop to find it.
	startKex    chan *pendingKex
	kexLoopDone chan struct{} // closed (with writeError non-nil) when kexLoop exits
	kexTimer    *time.Timer   // of maxKexTime; runs during a key exchange after the first

	// Algorithms agreed in the last key exchange.
	algorithms *ssh.NegotiatedAlgorithms

	// Counters exclusively owned by the reader.
	readPacketsLeft uint32
	readBytesLeft   int64

	// The session ID or nil if first kex did not complete yet.
	sessionID []byte

	// strictMode indicates if the other side of the handshake indicated
	// that we should be following the strict KEX protocol restrictions.
	strictMode bool
}

type pendingKex struct {
	otherInit []byte
	done      chan error
}

func newServerTransport(conn *transport, clientVersion, serverVersion []byte, config *ServerConfig) *handshakeTransport {
	t := &handshakeTransport{
		conn:          conn,
		serverVersion: serverVersion,
		clientVersion: clientVersion,
		requestKex:    make(chan struct{}, 1),
		startKex:      make(chan *pendingKex),
		kexLoopDone:   make(chan struct{}),

		config: &config.Config,
	}
	t.writeCond = sync.NewCond(&t.mu)
	t.initKexTimer()
	t.resetReadThresholds()
	t.resetWriteThresholds()

	// We always start with a mandatory key exchange.
	t.requestKex <- struct{}{}

	t.hostKeys = config.hostKeys
	t.publicKeyAuthAlgorithms = config.PublicKeyAuthAlgorithms
	go t.kexLoop()
	return t
}

func (t *handshakeTransport) getSessionID() []byte {
	return t.sessionID
}

func (t *handshakeTransport) getAlgorithms() ssh.NegotiatedAlgorithms {
	return *t.algorithms
}

// waitSession waits for the session to be established. This should be
// the first thing to call after instantiating handshakeTransport.
func (t *handshakeTransport) waitSession() error {
	p, err := t.readPacket()
	if err != nil {
		return err
	}
	if p[0] != msgNewKeys {
		return fmt.Errorf("ssh: first packet should be msgNewKeys")
	}

	return nil
}

// readPacket returns a copy of the next packet for the layers above.
func (t *handshakeTransport) readPacket() ([]byte, error) {
	for {
		p, err := t.nextPacket()
		if err != nil {
			return nil, err
		}
		// If this is the first kex, and strict KEX mode is enabled,
		// we don't ignore any messages, as they may be used to manipulate
		// the packet sequence numbers.
		if !(t.sessionID == nil && t.strictMode) && (p[0] == msgIgnore || p[0] == msgDebug) {
			continue
		}
		return bytes.Clone(p), nil
	}
}

// nextPacket returns the next packet for the layers above, which is valid until
// the following call. It runs the key exchange that the other side begins, and
// returns msgIgnore for it: it never waits for the packet after the next, since
// the reader may hold data that the other side wants answered first.
func (t *handshakeTransport) nextPacket() ([]byte, error) {
	first := !t.started
	t.started = true
	p, err := t.readOnePacket(first)
	if err != nil {
		t.readFailed(err)
		return nil, err
	}
	return p, nil
}

// readFailed tells writers and the key exchange that no packet will be read any
// more. Whoever stops reading must call it.
func (t *handshakeTransport) readFailed(err error) {
	t.readEnd.Do(func() {
		// Stop writers too.
		t.recordWriteError(err)

		// Unblock the writer should it wait for this.
		close(t.startKex)

		// Don't close t.requestKex; it's also written to from writePacket.
	})
}

func (t *handshakeTransport) pushPacket(p []byte) error {
	return t.conn.writePacket(p)
}

func (t *handshakeTransport) getWriteError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.writeError
}

func (t *handshakeTransport) recordWriteError(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.writeError == nil && err != nil {
		t.writeError = err
		t.writeCond.Broadcast()
	}
}

func (t *handshakeTransport) requestKeyExchange() {
	select {
	case t.requestKex <- struct{}{}:
	default:
		// something already requested a kex, so do nothing.
	}
}

func (t *handshakeTransport) resetWriteThresholds() {
	t.writePacketsLeft = packetRekeyThreshold
	if t.config.RekeyThreshold > 0 {
		t.writeBytesLeft = int64(t.config.RekeyThreshold)
	} else if t.algorithms != nil {
		t.writeBytesLeft = rekeyBytes(&t.algorithms.Write)
	} else {
		t.writeBytesLeft = 1 << 30
	}
}

func (t *handshakeTransport) initKexTimer() {
	t.kexTimer = time.AfterFunc(time.Hour, t.kexExpired)
	t.kexTimer.Stop()
}

// kexExpired ends the connection.
func (t *handshakeTransport) kexExpired() {
	t.recordWriteError(errSlowKex)
	_ = t.conn.Close() // whoever reads must hear of it, too
}

func (t *handshakeTransport) kexLoop() {
	defer t.kexTimer.Stop()
write:
	for t.getWriteError() == nil {
		var request *pendingKex
		var sent bool

		for request == nil || !sent {
			var ok bool
			select {
			case request, ok = <-t.startKex:
				if !ok {
					break write
				}
			case <-t.requestKex:
				break
			}

			if !sent {
				if t.sessionID != nil { // who calls NewServerConn bounds the first
					t.kexTimer.Reset(maxKexTime)
				}
				if err := t.sendKexInit(); err != nil {
					t.recordWriteError(err)
					break
				}
				sent = true
			}
		}

		if err := t.getWriteError(); err != nil {
			if request != nil {
				request.done <- err
			}
			break
		}

		// We're not servicing t.requestKex, but that is OK:
		// we never block on sending to t.requestKex.

		// We're not servicing t.startKex, but the remote end
		// has just sent us a kexInitMsg, so it can't send
		// another key change request, until we close the done
		// channel on the pendingKex request.

		err := t.enterKeyExchange(request.otherInit)
		t.kexTimer.Stop()

		t.mu.Lock()
		t.writeError = err
		t.sentInitPacket = nil
		t.sentInitMsg = nil

		t.resetWriteThresholds()

		// we have completed the key exchange. Since the
		// reader is still blocked, it is safe to clear out
		// the requestKex channel. This avoids the situation
		// where: 1) we consumed our own request for the
		// initial kex, and 2) the kex from the remote side
		// caused another send on the requestKex channel,
	clear:
		for {
			select {
			case <-t.requestKex:
				//
			default:
				break clear
			}
		}

		request.done <- t.writeError

		// kex finished. Push packets that we received while
		// the kex was in progress. Don't look at t.startKex
		// and don't increment writtenSinceKex: if we trigger
		// another kex while we are still busy with the last
		// one, things will become very confusing.
		for _, p := range t.pendingPackets {
			t.writeError = t.pushPacket(p)
			if t.writeError != nil {
				break
			}
		}
		t.pendingPackets, t.pendingReplies = nil, 0
		// Unblock writePacket if waiting for KEX.
		t.writeCond.Broadcast()
		t.mu.Unlock()
	}

	// Unblock reader.
	t.conn.Close()

	// drain startKex channel. We don't service t.requestKex
	// because nobody does blocking sends there.
	for request := range t.startKex {
		request.done <- t.getWriteError()
	}

	// Mark that the loop is done so that Close can return.
	close(t.kexLoopDone)
}

// The protocol uses uint32 for packet counters, so we can't let them
// reach 1<<32.  We will actually read and write more packets than
// this, though: the other side may send more packets, and after we
// hit this limit on writing we will send a few more packets for the
// key exchange itself.
const packetRekeyThreshold = (1 << 31)

func (t *handshakeTransport) resetReadThresholds() {
	t.readPacketsLeft = packetRekeyThreshold
	if t.config.RekeyThreshold > 0 {
		t.readBytesLeft = int64(t.config.RekeyThreshold)
	} else if t.algorithms != nil {
		t.readBytesLeft = rekeyBytes(&t.algorithms.Read)
	} else {
		t.readBytesLeft = 1 << 30
	}
}

func (t *handshakeTransport) readOnePacket(first bool) ([]byte, error) {
	read := t.conn.readAny
	if t.sessionID == nil {
		read = t.conn.readPacket
	}
	p, err := read()
	if err != nil {
		return nil, err
	}

	if t.readPacketsLeft > 0 {
		t.readPacketsLeft--
	} else {
		t.requestKeyExchange()
	}

	if t.readBytesLeft > 0 {
		t.readBytesLeft -= int64(len(p))
	} else {
		t.requestKeyExchange()
	}

	if first && p[0] != msgKexInit {
		return nil, fmt.Errorf("ssh: first packet should be msgKexInit")
	}

	if p[0] != msgKexInit {
		return p, nil
	}

	firstKex := t.sessionID == nil

	kex := pendingKex{
		done:      make(chan error, 1),
		otherInit: bytes.Clone(p), // more is read before it has been used
	}
	t.startKex <- &kex
	err = <-kex.done
	if err != nil {
		return nil, err
	}

	t.resetReadThresholds()

	// By default, a key exchange is hidden from higher layers by
	// translating it into msgIgnore.
	successPacket := []byte{msgIgnore}
	if firstKex {
		// sendKexInit() for the first kex waits for
		// msgNewKeys so the authentication process is
		// guaranteed to happen over an encrypted transport.
		successPacket = []byte{msgNewKeys}
	}

	return successPacket, nil
}

const (
	kexStrictClient = "kex-strict-c-v00@openssh.com"
	kexStrictServer = "kex-strict-s-v00@openssh.com"
)

// sendKexInit sends a key change message.
func (t *handshakeTransport) sendKexInit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sentInitMsg != nil {
		// kexInits may be sent either in response to the other side,
		// or because our side wants to initiate a key change, so we
		// may have already sent a kexInit. In that case, don't send a
		// second kexInit.
		return nil
	}

	msg := &kexInitMsg{
		CiphersClientServer:     t.config.Ciphers,
		CiphersServerClient:     t.config.Ciphers,
		MACsClientServer:        t.config.MACs,
		MACsServerClient:        t.config.MACs,
		CompressionClientServer: supportedCompressions,
		CompressionServerClient: supportedCompressions,
	}
	io.ReadFull(t.config.Rand, msg.Cookie[:])

	// We mutate the KexAlgos slice, in order to add the kex-strict extension algorithm,
	// and possibly to add the ext-info extension algorithm. Since the slice may be the
	// user owned KeyExchanges, we create our own slice in order to avoid using user
	// owned memory by mistake.
	msg.KexAlgos = make([]string, 0, len(t.config.KeyExchanges)+2) // room for kex-strict and ext-info
	msg.KexAlgos = append(msg.KexAlgos, t.config.KeyExchanges...)

	for _, k := range t.hostKeys {
		// If k is a MultiAlgorithmSigner, we restrict the signature
		// algorithms. If k is a AlgorithmSigner, presume it supports all
		// signature algorithms associated with the key format. If k is not
		// an AlgorithmSigner, we can only assume it only supports the
		// algorithms that matches the key format. (This means that Sign
		// can't pick a different default).
		keyFormat := k.PublicKey().Type()

		switch s := k.(type) {
		case ssh.MultiAlgorithmSigner:
			for _, algo := range algorithmsForKeyFormat(keyFormat) {
				if slices.Contains(s.Algorithms(), underlyingAlgo(algo)) {
					msg.ServerHostKeyAlgos = append(msg.ServerHostKeyAlgos, algo)
				}
			}
		case ssh.AlgorithmSigner:
			msg.ServerHostKeyAlgos = append(msg.ServerHostKeyAlgos, algorithmsForKeyFormat(keyFormat)...)
		default:
			msg.ServerHostKeyAlgos = append(msg.ServerHostKeyAlgos, keyFormat)
		}
	}

	if t.sessionID == nil {
		msg.KexAlgos = append(msg.KexAlgos, kexStrictServer)
	}

	packet := ssh.Marshal(msg)

	if err := t.pushPacket(packet); err != nil {
		return err
	}

	t.sentInitMsg = msg
	t.sentInitPacket = packet

	return nil
}

var errSendBannerPhase = errors.New("ssh: SendAuthBanner outside of authentication phase")

func (t *handshakeTransport) writePacket(p []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()

	switch p[0] {
	case msgKexInit:
		return errors.New("ssh: only handshakeTransport can send kexInit")
	case msgNewKeys:
		return errors.New("ssh: only handshakeTransport can send newKeys")
	case msgUserAuthBanner:
		if t.userAuthComplete {
			return errSendBannerPhase
		}
	case msgUserAuthSuccess:
		t.userAuthComplete = true
	}

	return t.push(p, nil, true)
}

// writeData is writePacket for a packet in two parts of the layers above. It
// and those after it may be sent later if more is to follow, up to flush or to
// a packet without more.
func (t *handshakeTransport) writeData(head, body []byte, more bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.push(head, body, !more)
}

// flush sends what waits.
func (t *handshakeTransport) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flushLocked()
}

func (t *handshakeTransport) flushLocked() {
	if t.writeError != nil || t.sentInitMsg != nil { // all was sent before it, and the key exchange writes alone
		return
	}
	if err := t.conn.out.flush(); err != nil {
		t.writeError = err
		t.writeCond.Broadcast()
	}
}

// waitWritable waits while a key exchange has queued too much already, unless
// writing has failed. Whoever writes must call it before, with no lock held,
// but for the reader: the key exchange doesn't end before he reads on, and so
// he must wait neither here nor for anybody who does.
func (t *handshakeTransport) waitWritable() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.sentInitMsg != nil && len(t.pendingPackets) >= maxPendingPackets && t.writeError == nil {
		if t.blocking != nil {
			t.blocking()
		}
		// Block and wait for KEX to complete or an error.
		t.writeCond.Wait()
	}
}

// push writes a packet of the layers above, or queues it during a key exchange.
// It is called with mu held.
func (t *handshakeTransport) push(head, body []byte, flush bool) error {
	if t.writeError != nil {
		return t.writeError
	}

	if t.sentInitMsg != nil {
		if len(t.pendingPackets) >= maxPendingPackets {
			t.pendingReplies += len(head) + len(body) + replyOverhead
		}
		if t.pendingReplies > maxPendingReplies {
			t.writeError = errors.New("ssh: too much to answer during a key exchange")
			t.writeCond.Broadcast()
			go t.conn.Close() // whoever reads must hear of it, too
			return t.writeError
		}
		// Copy the packet so the writer can reuse the buffer.
		t.pendingPackets = append(t.pendingPackets, slices.Concat(head, body))
		return nil
	}

	if t.writeBytesLeft > 0 {
		t.writeBytesLeft -= int64(len(head) + len(body))
	} else {
		t.requestKeyExchange()
	}

	if t.writePacketsLeft > 0 {
		t.writePacketsLeft--
	} else {
		t.requestKeyExchange()
	}

	if err := t.conn.queue(head, body); err != nil {
		t.writeError = err
		t.writeCond.Broadcast()
		return nil
	}
	if flush || len(t.conn.out.b) >= flushAt {
		t.flushLocked()
	}
	return nil
}

func (t *handshakeTransport) Close() error {
	// Close the connection. This should cause whoever reads to wake up
	// and close t.startKex, which will shut down kexLoop if running.
	err := t.conn.Close()

	// Wait for the kexLoop goroutine to complete, which itself waits for
	// the reader to close the startKex channel.
	<-t.kexLoopDone

	return err
}

func (t *handshakeTransport) enterKeyExchange(otherInitPacket []byte) error {
	otherInit := &kexInitMsg{}
	if err := ssh.Unmarshal(otherInitPacket, otherInit); err != nil {
		return err
	}

	magics := handshakeMagics{
		clientVersion: t.clientVersion,
		serverVersion: t.serverVersion,
		clientKexInit: otherInitPacket,
		serverKexInit: t.sentInitPacket,
	}

	clientInit := otherInit
	serverInit := t.sentInitMsg
	var err error
	t.algorithms, err = findAgreedAlgorithms(clientInit, serverInit)
	if err != nil {
		return err
	}

	if t.sessionID == nil && slices.Contains(clientInit.KexAlgos, kexStrictClient) {
		t.strictMode = true
		if err := t.conn.setStrictMode(); err != nil {
			return err
		}
	}

	// We don't send FirstKexFollows, but we handle receiving it.
	//
	// RFC 4253 section 7 defines the kex and the agreement method for
	// first_kex_packet_follows. It states that the guessed packet
	// should be ignored if the "kex algorithm and/or the host
	// key algorithm is guessed wrong (server and client have
	// different preferred algorithm), or if any of the other
	// algorithms cannot be agreed upon". The other algorithms have
	// already been checked above so the kex algorithm and host key
	// algorithm are checked here.
	if otherInit.FirstKexFollows && (clientInit.KexAlgos[0] != serverInit.KexAlgos[0] || clientInit.ServerHostKeyAlgos[0] != serverInit.ServerHostKeyAlgos[0]) {
		// other side sent a kex message for the wrong algorithm,
		// which we have to ignore.
		if _, err := t.conn.readPacket(); err != nil {
			return err
		}
	}

	kex, ok := kexAlgoMap[t.algorithms.KeyExchange]
	if !ok {
		return fmt.Errorf("ssh: unexpected key exchange algorithm %v", t.algorithms.KeyExchange)
	}

	result, err := t.server(kex, &magics)
	if err != nil {
		return err
	}

	firstKeyExchange := t.sessionID == nil
	if firstKeyExchange {
		t.sessionID = result.H
	}
	result.SessionID = t.sessionID

	if err := t.conn.prepareKeyChange(t.algorithms, result); err != nil {
		return err
	}
	if err = t.conn.writePacket([]byte{msgNewKeys}); err != nil {
		return err
	}

	// On the server side, after the first SSH_MSG_NEWKEYS, send a SSH_MSG_EXT_INFO
	// message with the server-sig-algs extension if the client supports it. See
	// RFC 8308, Sections 2.4 and 3.1, and [PROTOCOL], Section 1.9.
	if firstKeyExchange && slices.Contains(clientInit.KexAlgos, "ext-info-c") {
		supportedPubKeyAuthAlgosList := strings.Join(t.publicKeyAuthAlgorithms, ",")
		extInfo := &extInfoMsg{
			NumExtensions: 2,
			Payload:       make([]byte, 0, 4+15+4+len(supportedPubKeyAuthAlgosList)+4+16+4+1),
		}
		extInfo.Payload = appendInt(extInfo.Payload, len("server-sig-algs"))
		extInfo.Payload = append(extInfo.Payload, "server-sig-algs"...)
		extInfo.Payload = appendInt(extInfo.Payload, len(supportedPubKeyAuthAlgosList))
		extInfo.Payload = append(extInfo.Payload, supportedPubKeyAuthAlgosList...)
		extInfo.Payload = appendInt(extInfo.Payload, len("ping@openssh.com"))
		extInfo.Payload = append(extInfo.Payload, "ping@openssh.com"...)
		extInfo.Payload = appendInt(extInfo.Payload, 1)
		extInfo.Payload = append(extInfo.Payload, "0"...)
		if err := t.conn.writePacket(ssh.Marshal(extInfo)); err != nil {
			return err
		}
	}

	if packet, err := t.conn.readPacket(); err != nil {
		return err
	} else if packet[0] != msgNewKeys {
		return unexpectedMessageError(msgNewKeys, packet[0])
	}

	if firstKeyExchange {
		// Indicates to the transport that the first key exchange is completed
		// after receiving SSH_MSG_NEWKEYS.
		t.conn.setInitialKEXDone()
	}

	return nil
}

// algorithmSignerWrapper is an AlgorithmSigner that only supports the default
// key format algorithm.
//
// This is technically a violation of the AlgorithmSigner interface, but it
// should be unreachable given where we use this. Anyway, at least it returns an
// error instead of panicing or producing an incorrect signature.
type algorithmSignerWrapper struct {
	ssh.Signer
}

func (a algorithmSignerWrapper) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if algorithm != underlyingAlgo(a.PublicKey().Type()) {
		return nil, errors.New("ssh: internal error: algorithmSignerWrapper invoked with non-default algorithm")
	}
	return a.Sign(rand, data)
}

func pickHostKey(hostKeys []ssh.Signer, algo string) ssh.AlgorithmSigner {
	for _, k := range hostKeys {
		if s, ok := k.(ssh.MultiAlgorithmSigner); ok {
			if !slices.Contains(s.Algorithms(), underlyingAlgo(algo)) {
				continue
			}
		}

		if algo == k.PublicKey().Type() {
			return algorithmSignerWrapper{k}
		}

		k, ok := k.(ssh.AlgorithmSigner)
		if !ok {
			continue
		}
		for _, a := range algorithmsForKeyFormat(k.PublicKey().Type()) {
			if algo == a {
				return k
			}
		}
	}
	return nil
}

func (t *handshakeTransport) server(kex kexAlgorithm, magics *handshakeMagics) (*kexResult, error) {
	hostKey := pickHostKey(t.hostKeys, t.algorithms.HostKey)
	if hostKey == nil {
		return nil, errors.New("ssh: internal error: negotiated unsupported signature type")
	}

	r, err := kex.Server(t.conn, t.config.Rand, magics, hostKey, t.algorithms.HostKey)
	return r, err
}

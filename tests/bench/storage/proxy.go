package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/truckee-fs/truckee/tests/testbed"
)

// proxyCommand is the first argument with which this program is nothing but a proxy
// in front of the address that the second one names: what lies between gateway and
// store is a process of its own, which can be put on another processor than the
// driver's PUTs.
const proxyCommand = "proxy"

// beProxy serves until its standard input ends. It prints its address, and a line for
// each line of input, the faults that it has taken.
func beProxy(target string) error {
	p, err := testbed.NewProxy(target)
	if err != nil {
		return err
	}
	fmt.Println(p.Addr())
	in := json.NewDecoder(os.Stdin)
	for {
		var f testbed.Faults
		if err := in.Decode(&f); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return errors.Join(err, p.Close())
		}
		p.Set(f)
		fmt.Println("set")
	}
}

// proxy is such a process.
type proxy struct {
	addr string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

func startProxy(target string) (*proxy, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &proxy{cmd: exec.Command(self, proxyCommand, target)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if p.addr, err = p.answer(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *proxy) answer() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the proxy: %w", err)
	}
	return strings.TrimSpace(line), nil
}

func (p *proxy) set(f testbed.Faults) error {
	if err := json.NewEncoder(p.in).Encode(f); err != nil {
		return err
	}
	_, err := p.answer()
	return err
}

func (p *proxy) pid() int { return p.cmd.Process.Pid }

func (p *proxy) close() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

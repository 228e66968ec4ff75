package testbed

import (
	"net"
	"sync"
	"time"
)

// link is one connection through a Proxy.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	once   sync.Once
	done   chan struct{} // closed by reset

	mu     sync.Mutex // guards server
	server *net.TCPConn
}

// chunk is a piece of a stream on its way.
type chunk struct {
	data []byte
	read time.Time
}

// reset ends the link with an RST to both sides.
func (l *link) reset() {
	l.once.Do(func() {
		close(l.done)
		_ = l.client.SetLinger(0)
		_ = l.client.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.server != nil {
			_ = l.server.SetLinger(0)
			_ = l.server.Close()
		}
	})
}

func (l *link) run() {
	defer l.proxy.leave(l)
	defer l.client.Close()
	if f, _ := l.proxy.current(); f.Reply != "" {
		l.reply(f.Reply)
		return
	}
	// A host that hangs takes no connection either, but the client's kernel has
	// been answered by ours; the server's hears of it when the hang ends.
	if !l.waitForHang() || !l.dial() {
		l.reset()
		return
	}
	defer l.server.Close()
	var wg sync.WaitGroup
	wg.Go(func() { l.pump(l.server, l.client, true) })
	wg.Go(func() { l.pump(l.client, l.server, false) })
	wg.Wait()
}

func (l *link) dial() bool {
	c, err := net.Dial("tcp", l.proxy.target)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = c.(*net.TCPConn)
	select {
	case <-l.done: // reset before it had a server
		_ = l.server.Close()
		return false
	default:
		return true
	}
}

// reply answers the first bytes that come, and reads on until the client, who
// may be amid a large request, has had a moment to see the answer.
func (l *link) reply(text string) {
	buf := make([]byte, 64<<10)
	if _, err := l.client.Read(buf); err != nil {
		return
	}
	_, _ = l.client.Write([]byte(text))
	_ = l.client.CloseWrite()
	_ = l.client.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		if _, err := l.client.Read(buf); err != nil {
			return
		}
	}
}

// waitForHang waits while the proxy hangs; false: the link was reset.
func (l *link) waitForHang() bool {
	for {
		f, changed := l.proxy.current()
		if !f.Hang {
			return true
		}
		select {
		case <-changed:
		case <-l.done:
			return false
		}
	}
}

// pump passes one direction on until it ends.
func (l *link) pump(to, from *net.TCPConn, up bool) {
	queue := make(chan chunk, 256)
	go func() {
		defer close(queue)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case queue <- chunk{buf[:n], time.Now()}:
				case <-l.done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	m := meter{up: up}
	for c := range queue {
		if !l.pass(to, c, &m) {
			l.reset()
			break
		}
	}
	for range queue { // let the reader go, whose connection is reset
	}
	_ = to.CloseWrite()
}

// meter counts what went in one direction since the faults last changed.
type meter struct {
	up      bool
	changed <-chan struct{}
	cut     int64
	flip    int64
}

// pass delays and damages one chunk as the faults say and writes it; false ends
// the link.
func (l *link) pass(to *net.TCPConn, c chunk, m *meter) bool {
	f, _ := l.proxy.current()
	if !l.wait(time.Until(c.read.Add(f.Latency/2))) || !l.waitForHang() {
		return false
	}
	f, changed := l.proxy.current()
	if changed != m.changed {
		m.changed, m.cut, m.flip = changed, 0, 0
	}
	cut, flip := f.CutDown, f.FlipDown
	if m.up {
		cut, flip = f.CutUp, f.FlipUp
	}
	if flip > 0 {
		for at := flip - m.flip%flip - 1; at < int64(len(c.data)); at += flip {
			c.data[at] ^= 1
		}
		m.flip += int64(len(c.data))
	}
	alive := true
	if cut > 0 {
		if left := cut - m.cut; left <= int64(len(c.data)) {
			c.data, alive = c.data[:max(left, 0)], false
		}
		m.cut += int64(len(c.data))
	}
	if f.Rate > 0 && !l.wait(time.Duration(int64(time.Second)*int64(len(c.data))/f.Rate)) {
		return false
	}
	if f.Line > 0 && !l.wait(l.proxy.turn(m.up, len(c.data), f.Line)) {
		return false
	}
	_, err := to.Write(c.data)
	return alive && err == nil
}

// wait waits for d; false: the link was reset meanwhile.
func (l *link) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.done:
		return false
	}
}

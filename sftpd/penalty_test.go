package sftpd

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestPenaltiesDecay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p penalties
		key := penalKey{source: "192.0.2.1"}
		for i := range 12 {
			if bans := p.add(key, costWrong, thresholdSource); bans != (i == 10) {
				t.Errorf("wrong password %d bans: %t", i+1, bans)
			}
		}
		if p.add(key, costWrong, thresholdSource) {
			t.Error("a ban is told twice")
		}
		for _, tt := range []struct {
			after  time.Duration
			banned bool
		}{{0, true}, {64 * time.Second, true}, {time.Second, false}} {
			time.Sleep(tt.after)
			if p.banned(key) != tt.banned {
				t.Errorf("%v later: banned %t", tt.after, !tt.banned)
			}
		}
		// Who fails once in a while never gets there.
		for range 100 {
			time.Sleep(6 * time.Second)
			if p.add(key, costWrong, thresholdSource) {
				t.Fatal("one failure in six seconds bans")
			}
		}
		for range 1000 {
			p.add(key, costWrong, thresholdSource)
		}
		time.Sleep(maxPenalty)
		if p.banned(key) {
			t.Error("a ban lasts longer than the longest")
		}
	})
}

// Those who are banned now are counted, addresses and names apart, and no others.
func TestTheBannedAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := new(Server)
		expect := func(addresses, names int) {
			t.Helper()
			if a, n := s.Banned(); a != addresses || n != names {
				t.Errorf("%d addresses and %d names are banned, want %d and %d", a, n, addresses, names)
			}
		}
		expect(0, 0) // nobody is penalized
		p := new(penalties)
		s.penalties.Store(p)
		expect(0, 0)
		p.add(penalKey{source: "192.0.2.1"}, thresholdSource, thresholdSource)
		p.add(penalKey{source: "192.0.2.2"}, costWrong, thresholdSource)
		for _, name := range []string{"alice", "bob"} {
			p.add(penalKey{"192.0.2.2", name}, thresholdName, thresholdName)
		}
		expect(1, 2)
		p.forgive(penalKey{"192.0.2.2", "bob"})
		expect(1, 1)
		time.Sleep(thresholdName)
		expect(1, 0)
		time.Sleep(thresholdSource)
		expect(0, 0)
	})
}

// However many sources there are, the table is bounded, and who is banned stays
// longest.
func TestPenaltiesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p penalties
		bad := penalKey{source: "bad"}
		p.add(bad, thresholdSource, thresholdSource)
		for i := range 3 * maxPenalties {
			p.add(penalKey{source: fmt.Sprint(i)}, costNoLogin, thresholdSource)
			if len(p.all) > maxPenalties {
				t.Fatalf("%d entries", len(p.all))
			}
		}
		if !p.banned(bad) {
			t.Error("a ban was driven out by single failures")
		}
		for i := range 2 * maxPenalties {
			p.add(penalKey{source: fmt.Sprint(i)}, thresholdSource, thresholdSource)
		}
		if len(p.all) > maxPenalties {
			t.Errorf("%d entries", len(p.all))
		}
	})
}

// dialFrom connects from an address and logs in.
func (h *harness) dialFrom(address string, c *ssh.ClientConfig) (*ssh.Client, error) {
	near := h.from(address)
	conn, chans, reqs, err := ssh.NewClientConn(near, "pipe", c)
	if err != nil {
		near.Close()
		return nil, err
	}
	return ssh.NewClient(conn, chans, reqs), nil
}

func TestGuessingBans(t *testing.T) {
	t.Parallel()
	h := serve(t, func(s *Server) {
		s.LoginAttempts = 3
		s.PenaltyExempt = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	guess := func(from, user string) error {
		c, err := h.dialFrom(from, config(user, ssh.RetryableAuthMethod(ssh.Password("guess"), 10)))
		if err == nil {
			c.Close()
			t.Fatal("a guess logs in")
		}
		return err
	}
	right := func(from string) error {
		c, err := h.dialFrom(from, config("alice"))
		if err == nil {
			c.Close()
		}
		return err
	}
	for range 10 {
		guess("10.1.1.1", "alice")
	}
	if err := right("10.1.1.1"); err != nil {
		t.Errorf("from an exempt network: %v", err)
	}
	// Six wrong ones: the right one isn't looked at any more. A key is.
	guess("192.0.2.1", "alice")
	guess("192.0.2.1", "alice")
	if err := right("192.0.2.1"); err == nil {
		t.Error("the seventh guess is looked at")
	}
	c, err := h.dialFrom("192.0.2.1", config("alice", ssh.PublicKeys(keys().ed25519)))
	if err != nil {
		t.Fatalf("a key beside a banned password: %v", err)
	}
	c.Close()
	if err := right("192.0.2.1"); err != nil {
		t.Errorf("after a login the name isn't forgiven: %v", err)
	}
	// Other names count for the source.
	for i := range 3 {
		guess("2001:db8::1", fmt.Sprint("user", i))
	}
	if err := right("2001:db8::2"); err != nil {
		t.Errorf("nine wrong ones of a source: %v", err)
	}
	guess("2001:db8::3", "user3")
	if err := right("2001:db8::4"); err == nil {
		t.Error("a banned source is served, from another address of its network")
	}
	if err := right("2001:db8:0:1::1"); err != nil {
		t.Errorf("the next network: %v", err)
	}
	if n := strings.Count(h.log.String(), "sftp source banned"); n != 1 {
		t.Errorf("%d records of one ban", n)
	}
	counts := h.srv.Refusals()
	if counts[RefusedBanned] != 1 || counts[RefusedPassword] != 48 || counts[RefusedBannedPassword] == 0 {
		t.Errorf("counts: %v", counts)
	}
}

// Probes, and agents that offer many keys before the right one, cost nothing.
func TestNoPenaltyWithoutAGuess(t *testing.T) {
	t.Parallel()
	h := serve(t, nil)
	const from = "192.0.2.1"
	for range 200 {
		h.from(from).Close()
	}
	agent := []ssh.Signer{newKey(t), newKey(t), newKey(t), newKey(t), newKey(t), newKey(t), newKey(t), keys().ed25519}
	for range 20 {
		c, err := h.dialFrom(from, config("alice", ssh.PublicKeys(agent...)))
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	p := h.srv.penalties.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) != 0 {
		t.Errorf("penalties: %v", p.all)
	}
}

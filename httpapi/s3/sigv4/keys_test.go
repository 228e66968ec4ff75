package sigv4

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A key that is remembered is the one that follows from the secret, the day and the
// region, whoever asked before; and nobody prints it.
func TestKeys(t *testing.T) {
	t.Parallel()
	var keys Keys
	var wg sync.WaitGroup
	for i := range 3 * maxKeys {
		wg.Go(func() {
			c := &Claim{date: fmt.Sprintf("202611%02d", i%7), Region: fmt.Sprint("region-", i%3)}
			secret := []byte(fmt.Sprint("secret-", i/21))
			want := c.key(secret)
			for range 2 {
				if got := keys.key(c, secret); !bytes.Equal(got, want) {
					t.Errorf("%s, %s, %s: another key", c.date, c.Region, secret)
				}
			}
		})
	}
	wg.Wait()
	if n := len(keys.byID); n > maxKeys {
		t.Errorf("%d keys are remembered", n)
	}
	c := &Claim{date: "20261122", Region: "us-east-1"}
	key := keys.key(c, []byte("secret"))
	text := fmt.Sprintf("%v %+v %#v", &keys, Request{Keys: &keys}, &keys)
	if strings.Contains(text, fmt.Sprintf("%x", key)) || strings.Contains(text, strings.Trim(fmt.Sprint(key), "[]")) {
		t.Error("a key is shown")
	}
	var none *Keys
	if !bytes.Equal(none.key(c, []byte("secret")), c.key([]byte("secret"))) {
		t.Error("without Keys: another key")
	}
}

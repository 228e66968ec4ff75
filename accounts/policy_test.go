package accounts

import "testing"

func TestPolicy(t *testing.T) {
	t.Parallel()
	l, err := parseLine("alice pw " + testRoot + " quota=5GiB files=1000 dedup=account pad=pow2")
	if err != nil {
		t.Fatal(err)
	}
	want := Policy{Dedup: true, Pad: "pow2", MaxBytes: 5 << 30, MaxFiles: 1000}
	if got := (Account{limits: l.limits}).Policy(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	l, err = parseLine("alice pw " + testRoot + " dedup=no pad=no")
	if err != nil {
		t.Fatal(err)
	}
	if got := (Account{limits: l.limits}).Policy(); got != (Policy{}) {
		t.Errorf("no and no give %+v", got)
	}
	both := limits{policy: want}.and(limits{policy: Policy{MaxBytes: 1 << 30, MaxFiles: 5000}})
	want.MaxBytes = 1 << 30
	if both.policy != want {
		t.Errorf("two proofs give %+v, want the smaller bounds and what either says", both.policy)
	}
}

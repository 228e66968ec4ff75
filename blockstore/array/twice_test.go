package array_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/truckee-fs/truckee/internal/kind"
)

// A copy of one member's data in the place of another is refused, whichever two they
// are, and both are named.
func TestAMemberThatIsThereTwice(t *testing.T) {
	eachLayout(t, func(t *testing.T, d *drill) {
		d.close()
		for i := range len(d.disks) - 1 {
			own := d.disks[i+1].store()
			d.disks[i+1].replace(d.disks[i].store())
			says := fmt.Sprintf("members %d and %d are the same one of the array, number %d", i, i+1, i)
			if err := d.tryOpen(); kind.Of(err) != kind.Conflict || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", d.layout.name, err)
			}
			d.disks[i+1].replace(own)
		}
		d.open()
		defer d.close()
		d.mustRead("its own member is back", 0)
	})
}

package caps_test

import (
	"fmt"

	"github.com/truckee-fs/truckee/caps"
)

func Example() {
	c, err := caps.Parse("URI:DIR2:aeaqcaibaeaqcaibaeaqcaibae:aibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaiba")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("given:", c)

	read, _ := caps.ReadCap(c)
	fmt.Println("to share:", read.Reveal())

	verify, _ := c.Verify()
	fmt.Println("to check:", verify)

	_, err = caps.Parse("URI:DIR2:aeaqcaibaeaqcaibaeaqcaibae")
	fmt.Println("cut off:", err)
	// Output:
	// given: cap(write SDMF directory nt4fwemu)
	// to share: URI:DIR2-RO:nvgh5vj2ekzzkim5fgtb4gey5y:aibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaiba
	// to check: cap(verify SDMF directory nt4fwemu)
	// cut off: caps: malformed URI:DIR2: wrong number of fields: invalid request
}

package config_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/internal/config"
	"github.com/truckee-fs/truckee/internal/kind"
)

func TestS3(t *testing.T) {
	t.Parallel()
	file := `
[s3]
listen = "tcp:9000:interface=0.0.0.0"
tls_certificate = "tls/cert.pem"
tls_key = "/etc/key.pem"
domain = ["s3.example.org", "s3.example.net"]
multipart_min_part = 0
lifecycle_day = "10s"
trusted_proxies = "10.0.0.0/8, 192.0.2.1"
min_rate = "1KiB"
max_conns_per_address = 0
`
	src := config.Sources{Environ: []string{"TRUCKEE_S3_REGIONS=eu-west-1, *", "TRUCKEE_S3_SIGNATURE_V2=yes"}}
	c, _, dir, err := load(t, file, src)
	if err != nil {
		t.Fatal(err)
	}
	s := c.S3
	if s.Listen.String() != "0.0.0.0:9000" || !s.Stated || s.Certificate != config.Path(dir+"/tls/cert.pem") || s.Key != "/etc/key.pem" ||
		!reflect.DeepEqual(s.Domains, config.List{"s3.example.org", "s3.example.net"}) || !reflect.DeepEqual(s.Regions, config.List{"eu-west-1", "*"}) ||
		s.MinPart != 0 || s.LifecycleDay != 10*time.Second || !s.SignatureV2 || s.Proxies.String() != "10.0.0.0/8,192.0.2.1/32" || s.MinRate != 1024 || s.MaxPerAddress != 0 || s.Region != "us-east-1" || !s.Enabled {
		t.Errorf("got %+v", s)
	}
	for _, src := range []config.Sources{{}, {Flags: map[string]string{"s3-region": "x"}}} {
		if c, _, _, err := load(t, "", src); err != nil || c.S3.Stated {
			t.Errorf("nobody said where to listen: %+v, %v", c.S3, err)
		}
	}
	for _, src := range []config.Sources{{Flags: map[string]string{"s3": "127.0.0.1:5000"}}, {Environ: []string{"TRUCKEE_S3_LISTEN=127.0.0.1:5000"}}} {
		if c, _, _, err := load(t, "", src); err != nil || !c.S3.Stated {
			t.Errorf("%+v: %+v, %v", src, c.S3, err)
		}
	}
}

func TestS3Mistakes(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"[s3]\ntls_certificate = \"c\"\n", "[s3]\ntls_key = \"k\"\n", "[s3]\nobject_ownership = \"Nobody\"\n",
		"[s3]\ndomain = [\"\"]\n", "[s3]\ndomain = [1]\n", "[s3]\ndomain = [\"a,b\"]\n", "[s3]\nlifecycle_day = \"0s\"\n",
		"[s3]\nuploads_expire = \"-1s\"\n", "[s3]\nmax_conns = 0\n", "[s3]\nlisten = \"\"\n", "[s3]\nport = 1\n", "[s3]\ntrusted_proxies = \"nobody\"\n", "[s3]\nmax_conns_per_address = -1\n",
	} {
		if _, _, _, err := load(t, file, config.Sources{}); kind.Of(err) != kind.Invalid {
			t.Errorf("%q: %v", file, err)
		}
	}
}

package memory_test

import (
	"testing"

	"github.com/truckee-fs/truckee/metastore"
	"github.com/truckee-fs/truckee/metastore/memory"
	"github.com/truckee-fs/truckee/metastore/metastoretest"
)

func TestConformance(t *testing.T) {
	metastoretest.Run(t, func(*testing.T) metastore.Store { return memory.New() })
}

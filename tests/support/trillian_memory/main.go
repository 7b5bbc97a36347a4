// A Trillian log server, its admin interface and its sequencer in one process over Trillian's storage in memory.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"time"

	"github.com/google/trillian"
	"github.com/google/trillian/extension"
	sequencing "github.com/google/trillian/log"
	"github.com/google/trillian/monitoring"
	"github.com/google/trillian/quota"
	"github.com/google/trillian/server"
	"github.com/google/trillian/server/admin"
	"github.com/google/trillian/server/interceptor"
	"github.com/google/trillian/storage/memory"
	"github.com/google/trillian/util/clock"
	"github.com/google/trillian/util/election2"
	"google.golang.org/grpc"
)

func main() {
	address := flag.String("address", "127.0.0.1:8090", "where to listen")
	flag.Parse()
	metrics := monitoring.InertMetricFactory{}
	trees := memory.NewTreeStorage()
	registry := extension.Registry{
		AdminStorage:    memory.NewAdminStorage(trees),
		LogStorage:      memory.NewLogStorage(trees, metrics),
		QuotaManager:    quota.Noop(),
		MetricFactory:   metrics,
		ElectionFactory: election2.NoopFactory{},
	}
	operations := sequencing.OperationInfo{
		Registry: registry, BatchSize: 50, NumWorkers: 1, RunInterval: 100 * time.Millisecond, TimeSource: clock.System,
	}
	go sequencing.NewOperationManager(operations, sequencing.NewSequencerManager(registry, 0)).
		OperationLoop(context.Background())
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	rpc := grpc.NewServer(grpc.UnaryInterceptor(interceptor.ErrorWrapper))
	trillian.RegisterTrillianAdminServer(rpc, admin.New(registry, nil))
	trillian.RegisterTrillianLogServer(rpc, server.NewTrillianLogRPCServer(registry, clock.System))
	log.Fatal(rpc.Serve(listener))
}

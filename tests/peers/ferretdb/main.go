// FerretDB with its SQLite backend, for the tests: ferretdb [-one-at-a-time] ADDRESS FOLDER
//
// FerretDB's own command cannot be built from the module proxy (its version file is not in the module), its embeddable
// package can. That one reports nothing to anybody.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	oneAtATime := flag.Bool("one-at-a-time", false, "let one command through at a time, of all connections together")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: ferretdb [-one-at-a-time] ADDRESS FOLDER")
	}
	address, folder := flag.Arg(0), flag.Arg(1)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	inner := address
	if *oneAtATime {
		inner = "127.0.0.1:0"
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: inner},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	if *oneAtATime {
		go turnstile(ctx, address, func() (net.Conn, error) {
			uri, err := url.Parse(server.MongoDBURI()) // waits for the listener
			if err != nil {
				return nil, err
			}
			return net.Dial("tcp", uri.Host)
		})
	}
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

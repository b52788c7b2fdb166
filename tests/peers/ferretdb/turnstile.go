package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"sync"
)

const (
	opMsg      = 2013
	moreToCome = 1 << 1
	maxMessage = 48_000_000 // of MongoDB's wire protocol
)

// turnstile lets one command through at a time: from its arrival to its reply no other is at work.
//
// FerretDB v1 looks for the document of an update or delete in one step and writes in another, by _id alone. Two
// writers that name the same version both find it, and both are told that they matched.
func turnstile(ctx context.Context, address string, dial func() (net.Conn, error)) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	var turn sync.Mutex
	for {
		client, err := listener.Accept()
		if err != nil {
			if ctx.Err() == nil {
				log.Fatal(err)
			}
			return
		}
		go func() {
			defer client.Close()
			if err := pass(client, dial, &turn); err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
				log.Print(err)
			}
		}()
	}
}

func pass(client net.Conn, dial func() (net.Conn, error), turn sync.Locker) error {
	server, err := dial()
	if err != nil {
		return err
	}
	defer server.Close()
	for {
		command, err := read(client)
		if err != nil {
			return err
		}
		reply, err := ask(server, command, turn)
		if err != nil {
			return err
		}
		if _, err := client.Write(reply); err != nil {
			return err
		}
	}
}

// ask returns the reply, which is empty for a command that wants none.
func ask(server net.Conn, command []byte, turn sync.Locker) ([]byte, error) {
	turn.Lock()
	defer turn.Unlock()
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	kind := binary.LittleEndian.Uint32(command[12:])
	if kind == opMsg && len(command) >= 20 && binary.LittleEndian.Uint32(command[16:])&moreToCome != 0 {
		return nil, nil
	}
	return read(server)
}

// read returns one message, header included.
func read(from io.Reader) ([]byte, error) {
	header := make([]byte, 16)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	if length < 16 || length > maxMessage {
		return nil, errors.New("not a message of the wire protocol")
	}
	message := make([]byte, length)
	copy(message, header)
	_, err := io.ReadFull(from, message[16:])
	return message, err
}

// The hub of gorilla/websocket's chat example: a goroutine that owns the set of members, and for each connection a
// read pump and a write pump with a buffered channel between. Prints its port; ends when its standard input ends.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/gorilla/websocket"
)

type client struct {
	conn *websocket.Conn
	send chan []byte
}

var (
	upgrader   = websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024}
	register   = make(chan *client)
	unregister = make(chan *client)
	broadcast  = make(chan []byte, 256)
)

func runHub() {
	members := make(map[*client]bool)
	leave := func(c *client) {
		if members[c] {
			delete(members, c)
			close(c.send)
		}
	}
	for {
		select {
		case c := <-register:
			members[c] = true
		case c := <-unregister:
			leave(c)
		case message := <-broadcast:
			for c := range members {
				select {
				case c.send <- message:
				default:
					leave(c)
				}
			}
		}
	}
}

func (c *client) writePump() {
	defer c.conn.Close()
	for message := range c.send {
		if c.conn.WriteMessage(websocket.TextMessage, message) != nil {
			return
		}
	}
}

func publish(message string) {
	times, text, _ := strings.Cut(message, " ")
	count, _ := strconv.Atoi(times)
	for i := 0; i < count; i++ {
		broadcast <- []byte(text)
	}
}

func serve(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	role := r.URL.Query().Get("role")
	c := &client{conn: conn, send: make(chan []byte, 256)}
	go c.writePump()
	if role == "member" {
		register <- c
	}
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			break
		}
		if role == "publisher" {
			publish(string(message))
		} else {
			c.send <- message
		}
	}
	if role == "member" {
		unregister <- c
	} else {
		close(c.send)
	}
}

func main() {
	go runHub()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}

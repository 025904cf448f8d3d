// A reverse proxy from Go's standard library in front of one server: httputil.ReverseProxy with a transport that
// keeps enough connections to the backend (the default keeps two per host). Ends when its standard input ends.
package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: go-proxy PORT BACKEND_PORT")
	}
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:" + os.Args[2]}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DisableCompression = true
	transport.MaxIdleConns = 0
	transport.MaxIdleConnsPerHost = 256
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = transport
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	server := &http.Server{Addr: "127.0.0.1:" + os.Args[1], Handler: forwarded(proxy), IdleTimeout: time.Hour}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(server.ListenAndServe())
}

// forwarded adds the forwarding headers that ReverseProxy does not add by itself.
func forwarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Forwarded-Proto", "http")
		r.Header.Set("X-Forwarded-Host", r.Host)
		next.ServeHTTP(w, r)
	})
}

module fairlead.test/bench/go-proxy

go 1.19

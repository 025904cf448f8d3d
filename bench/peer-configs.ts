/** Open files each peer may use; the largest fill of idle tunnels needs two per tunnel. */
const connections = 9000

/**
 * HAProxy as one thread without logs, with connections to the backend kept and shared. Buffers are its defaults.
 * It adds the forwarding headers that Fairlead adds, so that both do the same work.
 */
export function haproxyConfig(port: number, backendPort: number): string {
  return `global
  nbthread 1
  maxconn ${connections}
defaults
  mode http
  no log
  maxconn ${connections}
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  timeout http-request 10s
  timeout http-keep-alive 1h
frontend bench
  bind 127.0.0.1:${port} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend echo
backend echo
  server echo 127.0.0.1:${backendPort}
`
}

/**
 * nginx as one worker without logs, with connections to the backend kept, and without its habit of closing a
 * connection after 1,000 requests. Buffers are its defaults.
 */
export function nginxConfig(port: number, backendPort: number, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile ${connections * 2 + 1000};
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections ${connections * 2}; accept_mutex off; }
http {
  access_log off;
${temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  map $http_upgrade $upgrade_or_nothing { default upgrade; '' ''; }
  upstream echo {
    server 127.0.0.1:${backendPort};
    keepalive 128;
    keepalive_requests 1000000000;
    keepalive_time 24h;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000000;
    keepalive_time 24h;
    keepalive_timeout 1h;
    location / {
      proxy_pass http://echo;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgrade_or_nothing;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`
}

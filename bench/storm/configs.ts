import type { Storm } from './storm.ts'
import { rateOf } from './storm.ts'

/** Open files a proxy may use: each tunnel needs two, and a storm keeps as many clients waiting as it has. */
const descriptors = 19_000

/** Longest that a client may wait for its turn: what its own patience is. */
const patience = '20s'

/** Where the proxy listens, and what it may pass clients on to. */
export interface Places {
  readonly port: number
  readonly backendPorts: readonly number[]
  /** The contender's own folder. */
  readonly folder: string
}

/** New connections a second of all backends together: what limits that know no backends have to be set to. */
function totalRate(storm: Storm): number {
  return storm.backends * rateOf(storm)
}

/**
 * Fairlead: the rate of each backend, and a waiting room with a place for everybody. All clients have the address
 * 127.0.0.1 here, so nothing is said per client.
 */
export function fairleadConfig({ port, backendPorts }: Places, storm: Storm): string {
  const backends = backendPorts.map((one) => `'127.0.0.1:${one}'`).join(', ')
  return `listen: [{ host: 127.0.0.1, port: ${port} }]
log: { level: error }
pools:
  storm:
    backends: [${backends}]
    connectRate: { perSecond: ${rateOf(storm)} }
    waitingRoom: { size: ${storm.clients}, timeout: ${patience} }
routes: [{ pool: storm }]
`
}

/**
 * HAProxy as WebSockets are set up with it: a server's \`maxconn\` and a queue. A tunnel holds its slot for as long as it
 * lives, so \`maxconn\` has to be what a server carries, with room for the clients of one that is gone, and not what it
 * can greet at a time; with less, the others would wait for somebody to leave, until \`timeout queue\`. With
 * \`rateLimited\` it gets the best it has against a storm: \`rate-limit sessions\` leaves new connections in the kernel's
 * queue. That counts the connections of a frontend, whatever they are for and whichever server they go to.
 */
export function haproxyConfig({ port, backendPorts }: Places, storm: Storm, rateLimited: boolean): string {
  const servers = backendPorts.map(
    (one, index) => `  server b${index} 127.0.0.1:${one} check inter 1s maxconn ${storm.clients}`,
  )
  return `global
  nbthread 1
  maxconn ${Math.floor(descriptors / 2)}
defaults
  mode http
  no log
  maxconn ${Math.floor(descriptors / 2)}
  retries 3
  option redispatch 1
  timeout connect 5s
  timeout queue ${patience}
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  timeout http-request 10s
frontend storm
  bind 127.0.0.1:${port} backlog ${storm.clients}
${rateLimited ? `  rate-limit sessions ${totalRate(storm)}\n` : ''}  option forwardfor
  default_backend servers
backend servers
  balance leastconn
${servers.join('\n')}
`
}

/**
 * nginx as WebSockets are set up with it: \`max_conns\` and \`limit_conn\`, which refuse what is above and keep nobody
 * waiting. \`max_fails=0\`, because otherwise the first refusal takes a server out for ten seconds, and soon both. With
 * \`rateLimited\` it gets the best it has against a storm: \`limit_req\` with a \`burst\` that has a place for everybody
 * delays requests to its rate. That counts the requests of all servers together, too.
 */
export function nginxConfig(
  { port, backendPorts, folder }: Places,
  storm: Storm,
  rateLimited: boolean,
): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const servers = backendPorts.map(
    (one) => `    server 127.0.0.1:${one} max_fails=0 max_conns=${storm.clients};`,
  )
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile ${descriptors};
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections ${descriptors}; accept_mutex off; }
http {
  access_log off;
${temporary.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  map $http_upgrade $upgrade_or_nothing { default upgrade; '' ''; }
  limit_conn_zone $server_name zone=tunnels:1m;
${rateLimited ? `  limit_req_zone $server_name zone=upgrades:1m rate=${totalRate(storm)}r/s;\n` : ''}  upstream servers {
    zone servers 1m;
    least_conn;
${servers.join('\n')}
  }
  server {
    listen 127.0.0.1:${port} backlog=${storm.clients};
    # Limits do not count what their key is empty for.
    server_name storm;
    location / {
      limit_conn tunnels ${storm.clients + 100};
${rateLimited ? `      limit_req zone=upgrades burst=${storm.clients};\n` : ''}      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_connect_timeout 5s;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $upgrade_or_nothing;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`
}

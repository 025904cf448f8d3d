import { createHash } from 'node:crypto'

/** A script with the name under which a server keeps it. */
export interface RedisScript {
  readonly source: string
  readonly sha: string
}

function script(source: string): RedisScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** Milliseconds of the server's clock. Only ever compared with itself. */
const now = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/**
 * The meta of a room: epoch \`e\`, last offset \`o\`, and the process \`r\` that wrote it. Another process (a restart, a
 * replica that was promoted) may have lost the last offsets and would give them again, so a new epoch begins.
 * KEYS: stream, meta. ARGV 1: run id, ARGV 2: an epoch to use.
 */
const meta = `
local epoch = redis.call('HGET', KEYS[2], 'e')
if not epoch or redis.call('HGET', KEYS[2], 'r') ~= ARGV[1] then
  -- Of a new room nothing is removed: after a first write a server without room takes the rest of a script.
  if epoch then redis.call('DEL', KEYS[1], KEYS[2]) end
  epoch = ARGV[2]
  redis.call('HSET', KEYS[2], 'e', epoch, 'o', '0', 'r', ARGV[1], 'a', '60000')
  redis.call('PEXPIRE', KEYS[2], '6000000')
end
`

/** Removes what is too old. Entries carry when they were written (\`t\`). */
const age = `
local function forget(limit)
  while true do
    local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 16)
    for _, entry in ipairs(entries) do
      if tonumber(entry[2][2]) > now - limit then return end
      redis.call('XDEL', KEYS[1], entry[1])
    end
    if #entries < 16 then return end
  end
end
`

/** Big-endian, as in hub/history-envelope.ts. */
const envelope = `
local function envelope(epoch, offset, payload)
  return 'H' .. string.char(#epoch) .. epoch .. struct.pack('>I4I4', math.floor(offset / 4294967296), offset % 4294967296) .. payload
end
`

/** ARGV 3: payload, 4: size, 5: age, 6: channel, 7: PUBLISH or SPUBLISH. Returns epoch and offset. */
export const append = script(`${now}${meta}${age}${envelope}
local offset = redis.call('HINCRBY', KEYS[2], 'o', 1)
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[4], string.format('%.0f-0', offset), 't', string.format('%.0f', now), 'p', ARGV[3])
redis.call('HSET', KEYS[2], 'a', ARGV[5])
forget(tonumber(ARGV[5]))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', ARGV[5] * 100))
redis.call(ARGV[7], ARGV[6], envelope(epoch, offset, ARGV[3]))
return { epoch, string.format('%.0f', offset) }
`)

/** ARGV 3: first offset, or - for the last ones; 4: how many. Returns epoch, last offset and entries. */
export const read = script(`${now}${meta}${age}
forget(tonumber(redis.call('HGET', KEYS[2], 'a')))
local entries = {}
if tonumber(ARGV[4]) > 0 then
  if ARGV[3] == '-' then entries = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[4])
  else entries = redis.call('XRANGE', KEYS[1], ARGV[3], '+', 'COUNT', ARGV[4]) end
end
local found = {}
for _, entry in ipairs(entries) do
  found[#found + 1] = entry[1]
  found[#found + 1] = entry[2][4]
end
return { epoch, redis.call('HGET', KEYS[2], 'o'), found }
`)

/**
 * A node is \`revision|text\` in a hash by node id; what is not so counts as nothing. Revisions only grow, with the
 * server's clock, so that none comes twice when an entry was removed. KEYS: the hash. ARGV 1: id, 2: the revision that
 * has to stand there, 0 for none.
 */
const revision = `
local there = redis.call('HGET', KEYS[1], ARGV[1])
local last = tonumber(there and string.match(there, '^(%d+)|') or 0)
if last > 9007199254740991 then last = 0 end
if last ~= tonumber(ARGV[2]) then return false end
`

/** ARGV 3: text, 4: milliseconds to keep the hash. Returns the new revision, or nothing. */
export const writeNode = script(`${now}${revision}
local next = string.format('%.0f', math.max(now, last + 1))
redis.call('HSET', KEYS[1], ARGV[1], next .. '|' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return next
`)

export const removeNode = script(`${revision}
return redis.call('HDEL', KEYS[1], ARGV[1])
`)

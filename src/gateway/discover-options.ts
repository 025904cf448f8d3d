import { z } from 'zod'
import { duration } from '../core/options/option-values.ts'

/** Where a pool finds backends besides those that its options name. */

function portOf(text: string): number {
  return Number(text.split(':')[1])
}

const hostAndPort = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,253}:\d{1,5}$/, 'expected a host name and a port, as in chat.internal:3000')
  .refine((text) => portOf(text) >= 1 && portOf(text) <= 65_535, 'expected a port from 1 to 65535')
  .transform((text) => {
    const [host, port] = text.split(':') as [string, string]
    return { host, port: Number(port) }
  })

const interval = z
  .strictObject({
    min: duration(
      '1s',
      'Least time from an answer to the next question, and from a failure to the next try.',
    ),
    max: duration(
      '30s',
      'Longest time, whatever the TTL says; failures are tried again ever more slowly up to it.',
    ),
  })
  .refine(({ min, max }) => min <= max, 'expected min to be at most max')
  .prefault({})
  .meta({ description: 'Bounds on the TTL of answers.' })

const resolver = z
  .array(
    z
      .string()
      .regex(
        /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:]+\])(:\d{1,5})?$|^[0-9A-Fa-f:]+$/,
        'expected an IP address, with or without a port',
      ),
  )
  .max(16)
  .default([])
  .meta({
    description: 'Name servers: IP addresses, with a port if need be. Without any: those of the system.',
  })

const file = z.strictObject({
  file: z.string().min(1).meta({
    description:
      'A YAML or JSON file with a list of backends, each an address or `{ address, weight }`. Read again when it changes.',
  }),
})

const dns = z.strictObject({
  dns: hostAndPort.meta({
    description: 'Host name and port: every IPv4 and IPv6 address of the name is a backend.',
  }),
  interval,
  resolver,
})

const srv = z.strictObject({
  srv: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,253}$/, 'expected the name of a service, as in _ws._tcp.chat.internal')
    .meta({
      description:
        'Name of SRV records: every address of the targets with the lowest priority is a backend, with the weight of its record.',
    }),
  interval,
  resolver,
})

const source = z.strictObject({
  source: z.string().min(1).meta({
    description: 'Name of a source that the program gave to `createGateway`; not for files.',
  }),
})

/** Field of a pool. */
export const discoverOption = z.union([file, dns, srv, source]).optional().meta({
  description: 'Where more backends of this pool are found: exactly one of `file`, `dns`, `srv`, `source`.',
})

export type DiscoverConfig = NonNullable<z.output<typeof discoverOption>>

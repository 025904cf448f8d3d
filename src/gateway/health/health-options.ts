import { z } from 'zod'
import { duration, optionalDuration } from '../../core/options/option-values.ts'
import { isFieldValue } from '../../http1/fields.ts'

/** The options of a pool that decide who is well: probes, passive scoring, slow start, panic. */

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/

/** The probe writes these itself. */
const ownFields =
  /^(connection|content-length|host|transfer-encoding|upgrade|sec-websocket-(key|version|extensions|protocol))$/i

const fieldName = z.string().regex(token, 'expected the name of a header field')
const fieldValue = z
  .string()
  .max(8192)
  .refine(isFieldValue, 'expected a header value: one line, no control characters')

const path = z
  .string()
  .max(2048)
  .regex(/^\/[\x21-\x7e]*$/, "expected a path that starts with '/', without spaces")
  .refine((text) => !text.includes('#'), "expected a path without '#'")
  .default('/')
  .meta({ description: 'Path, and query if need be, that is asked for.' })

const host = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,253}(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/, 'expected a host name')
  .optional()
  .meta({ description: "Value of `Host`. Without it: the backend's address." })

const headers = z
  .record(
    fieldName.refine(
      (name) => !ownFields.test(name),
      'expected a header that the probe does not write itself',
    ),
    fieldValue,
  )
  .default({})
  .meta({ description: 'Header fields that the probe sends, such as `Authorization` or `Origin`.' })

const statusMessage = "expected a status such as 204, or a range such as '200-299'"

const statusRange = z
  .union([z.int().min(200).max(599), z.string().regex(/^[2-5]\d\d-[2-5]\d\d$/, statusMessage)], statusMessage)
  .transform((value) => {
    if (typeof value === 'number') return { from: value, to: value }
    const [from, to] = value.split('-').map(Number) as [number, number]
    return { from, to }
  })
  .refine(({ from, to }) => from <= to, statusMessage)

const expected = z
  .strictObject({
    status: z
      .array(statusRange)
      .min(1, statusMessage)
      .prefault(['200-299'])
      .meta({ description: 'Statuses, and ranges of them, that are well.', default: ['200-299'] }),
    headers: z
      .record(fieldName, fieldValue)
      .default({})
      .meta({ description: 'Header fields of the answer and the exact value of each; `*` takes any value.' }),
    body: z
      .string()
      .min(1)
      .max(1024)
      .optional()
      .meta({ description: 'Text within the first 64 KiB of the body. Without it the body is not read.' }),
  })
  .prefault({})
  .meta({ description: 'What the answer to an HTTP probe has to look like.' })

const http = z
  .strictObject({ path, host, headers, expect: expected })
  .optional()
  .meta({ description: 'Probe: a `GET` that is answered as expected.' })

const websocket = z
  .strictObject({
    path,
    host,
    headers,
    protocol: z
      .string()
      .regex(token, 'expected the name of a subprotocol')
      .optional()
      .meta({ description: 'Subprotocol to ask for; the backend has to agree to it.' }),
  })
  .optional()
  .meta({ description: 'Probe: an upgrade with a valid 101, then a ping that is answered, then a Close.' })

const health = z
  .strictObject({
    tcp: z
      .literal(true, 'expected true')
      .optional()
      .meta({ description: 'Probe: the connection is accepted.' }),
    http,
    websocket,
    interval: duration('5s', 'From one probe of a backend to its next, give or take a random 10 %.'),
    timeout: duration('2s', 'For one whole probe, from connecting to the last byte; then it has failed.'),
    rise: z.int().min(1).max(100).default(2).meta({
      description: 'Probes in a row that have to pass until an unhealthy backend is healthy again.',
    }),
    fall: z.int().min(1).max(100).default(3).meta({
      description: 'Probes in a row that have to fail until a backend is unhealthy.',
    }),
    closeTunnels: optionalDuration(
      'Closes the tunnels of a backend that became unhealthy with Close 1012, spread over so long. Without it they live on.',
    ),
  })
  .refine(
    (value) => [value.tcp, value.http, value.websocket].filter((probe) => probe !== undefined).length === 1,
    'expected exactly one of tcp, http and websocket',
  )
  .optional()
  .meta({
    description: 'Active probes: exactly one of `tcp`, `http`, `websocket`. Without it no backend is probed.',
  })

const percent = (least: number, fallback: number, about: string) =>
  z.int().min(least).max(100).default(fallback).meta({ description: about })

const ejection = z
  .strictObject({
    failures: z.int().min(0).max(1000).default(5).meta({
      description:
        'Failures in a row that eject: no connection, no or a wrong answer, 5xx, tunnels cut early. 0 turns ejection off.',
    }),
    time: duration('30s', 'How long the first ejection takes; the n-th takes n times as long.'),
    maxTime: duration('5m', 'Longest ejection.'),
    maxShare: percent(0, 50, 'Most percent of the backends that are ejected at a time; one always may be.'),
    earlyClose: duration(
      '1s',
      'A tunnel that the backend cuts without a Close frame within so long after its start is a failure.',
    ),
  })
  .prefault({})
  .meta({ description: 'Passive health: a backend that fails its traffic gets none for a while.' })

const slowStart = z
  .strictObject({
    window: duration('30s', 'How long the share of a backend grows after it returned or joined.'),
    from: percent(1, 10, 'Percent of its share with which it begins; 100 turns slow start off.'),
  })
  .prefault({})
  .meta({ description: 'A backend that returns or joins gets its share little by little.' })

/** Fields of a pool. */
export const healthOptions = {
  health,
  ejection,
  slowStart,
  panic: percent(
    0,
    50,
    'Percent of backends that have to be available. With fewer, health is ignored and all get connections; 0 turns that off.',
  ),
}

export type HealthConfig = NonNullable<z.output<typeof health>>
export type HttpProbeConfig = NonNullable<z.output<typeof http>>
export type WebSocketProbeConfig = NonNullable<z.output<typeof websocket>>
export type EjectionConfig = z.output<typeof ejection>
export type SlowStartConfig = z.output<typeof slowStart>

import { z } from 'zod'
import { duration } from '../core/options/option-values.ts'

/** When what a backend failed at is tried with another one. */
export const retryOption = z
  .strictObject({
    attempts: z.int().min(0).max(10).default(2).meta({
      description: 'Most other backends that one request is tried with; 0 turns retries off.',
    }),
    total: duration(
      '5s',
      'From the first attempt on, until which another backend may be tried; connects end by then, too.',
    ),
    budget: z.int().min(0).max(100).default(20).meta({
      description: 'Percent of the requests of the last 10 seconds that may be retries.',
    }),
    minPerSecond: z.int().min(0).max(10_000).default(10).meta({
      description: 'Retries a second, averaged over 10 seconds, that are allowed on top of `budget`.',
    }),
  })
  .prefault({})
  .meta({
    description:
      'What happens when a backend does not accept, breaks off or answers nonsense: another one is tried, as long as nothing has reached the client and repeating can do no harm.',
  })

export type RetryRules = z.output<typeof retryOption>

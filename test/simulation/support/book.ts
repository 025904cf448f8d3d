import type { TunnelRecord } from './conversation.ts'

/** A request as its client meant it. */
export interface RequestRecord {
  readonly id: string
  readonly method: string
  readonly body: string
  /** How often its head reached a backend. */
  deliveries: number
}

/** An answer as its backend meant it. */
export interface AnswerRecord {
  readonly id: string
  readonly body: string
  /** All of it was said. */
  complete: boolean
}

/** What everybody said in one run, by id: what arrives is held against it. */
export class Book {
  readonly requests = new Map<string, RequestRecord>()
  readonly answers: AnswerRecord[] = []
  /** Those that have not ended on both sides. */
  readonly tunnels = new Map<string, TunnelRecord>()
  /** The ids of all upgrades that were sent. */
  readonly upgrades = new Set<string>()
}

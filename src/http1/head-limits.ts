/** Bounds on one message head, and on one trailer section. */
export interface HeadLimits {
  /** Most bytes, the empty line at its end included; beyond it 431. */
  readonly bytes: number
  /** Most field lines; beyond it 431. */
  readonly fields: number
}

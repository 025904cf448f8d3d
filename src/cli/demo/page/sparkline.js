// @ts-check

/** Two for each second. */
const samples = 60
const width = 120
const height = 32

/**
 * A line of the last half minute.
 * @param {SVGSVGElement} svg with a path `.line` and a path `.area`
 */
export function sparkline(svg) {
  const line = svg.querySelector('.line')
  const area = svg.querySelector('.area')
  /** @type {number[]} */
  const values = []

  return {
    /**
     * @param {number} value the newest sample
     * @param {number} top what the full height stands for, at least the largest sample shown
     */
    push(value, top) {
      values.push(value)
      if (values.length > samples) values.shift()
      const step = width / (samples - 1)
      const y = (/** @type {number} */ v) => (height - 1.5 - (v / top) * (height - 3)).toFixed(1)
      const first = width - (values.length - 1) * step
      const points = values.map((v, i) => `${(first + i * step).toFixed(1)} ${y(v)}`).join('L')
      line?.setAttribute('d', `M${points}`)
      area?.setAttribute('d', `M${first.toFixed(1)} ${height}L${points}L${width} ${height}Z`)
    },
    /** The largest sample shown. */
    peak: () => Math.max(0, ...values),
  }
}

/** A line of a chart, by its points from left to right. */
export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}

/** A picture of lines. */
export interface Chart {
  readonly title: string
  readonly x: string
  readonly y: string
  /** The largest x and y that are drawn; what is above is cut off. */
  readonly until: readonly [x: number, y: number]
  /** Distance of the marks on each axis. */
  readonly marks: readonly [x: number, y: number]
  /** How the marks are written. @default as percentages */
  readonly write?: readonly [x: Write, y: Write]
  readonly lines: readonly Line[]
}

export type Write = (value: number) => string

const width = 760
const height = 420
const plot = { left: 76, top: 44, right: 180, bottom: 52 }

/** Told apart by people who see colours differently (Okabe and Ito, 2008). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#888888']
const dashes = ['', '', '', '7 3', '2 3', '9 3 2 3', '4 4']

/** An SVG that is readable on light and on dark pages. */
export function drawChart(chart: Chart): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="${escapeText(chart.title)}">`,
    '<style>text{fill:#24292f}.grid{stroke:#d0d7de}@media(prefers-color-scheme:dark){text{fill:#d1d7e0}.grid{stroke:#3d444d}}</style>',
    `<text x="${plot.left}" y="24" font-size="15" font-weight="600">${escapeText(chart.title)}</text>`,
    ...axes(chart),
    ...chart.lines.map((line, index) => drawLine(chart, line, index)),
    ...chart.lines.map((line, index) => legend(line, index)),
    '</svg>',
    '',
  ].join('\n')
}

function axes({ x, y, until, marks, write = [percent, percent] }: Chart): string[] {
  const right = width - plot.right
  const bottom = height - plot.bottom
  const parts: string[] = []
  for (const value of steps(until[0], marks[0])) {
    const at = across(value / until[0])
    parts.push(`<line class="grid" x1="${at}" y1="${plot.top}" x2="${at}" y2="${bottom}"/>`)
    parts.push(`<text x="${at}" y="${bottom + 18}" text-anchor="middle">${write[0](value)}</text>`)
  }
  for (const value of steps(until[1], marks[1])) {
    const at = up(value / until[1])
    parts.push(`<line class="grid" x1="${plot.left}" y1="${at}" x2="${right}" y2="${at}"/>`)
    parts.push(`<text x="${plot.left - 8}" y="${at + 4}" text-anchor="end">${write[1](value)}</text>`)
  }
  const middle = (plot.top + bottom) / 2
  parts.push(
    `<text x="${(plot.left + right) / 2}" y="${height - 10}" text-anchor="middle">${escapeText(x)}</text>`,
    `<text x="14" y="${middle}" text-anchor="middle" transform="rotate(-90 14 ${middle})">${escapeText(y)}</text>`,
  )
  return parts
}

function drawLine({ until }: Chart, { points }: Line, index: number): string {
  const path = points.map(([x, y]) => `${across(x / until[0])},${up(Math.min(1, y / until[1]))}`).join(' ')
  return `<polyline points="${path}" fill="none" stroke-width="2.5" ${pen(index)}/>`
}

function legend({ name }: Line, index: number): string {
  const left = width - plot.right + 14
  const y = plot.top + 14 + index * 24
  return `<line x1="${left}" y1="${y - 4}" x2="${left + 24}" y2="${y - 4}" stroke-width="2.5" ${pen(index)}/><text x="${left + 32}" y="${y}">${escapeText(name)}</text>`
}

function pen(index: number): string {
  const dash = dashes[index % dashes.length]
  return `stroke="${colours[index % colours.length]}"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}`
}

function percent(value: number): string {
  return `${Math.round(value * 100)} %`
}

function steps(until: number, mark: number): number[] {
  return Array.from({ length: Math.floor(until / mark + 1e-9) + 1 }, (_, i) => i * mark)
}

function across(share: number): number {
  return round(plot.left + share * (width - plot.left - plot.right))
}

function up(share: number): number {
  return round(height - plot.bottom - share * (height - plot.top - plot.bottom))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;')
}

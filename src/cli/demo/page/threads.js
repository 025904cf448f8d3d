// @ts-check

/** Points on each half of a thread: enough for a smooth curve, few enough for a hundred threads. */
const steps = 20
const growTime = 700
const shrinkTime = 280
const pulseTime = 800
const mostPulses = 240

/**
 * @typedef {object} Thread
 * @property {HTMLElement} dot
 * @property {Card} card
 * @property {number} slot from -1 to 1: where it meets the card
 * @property {number} length shown part, from 0 at the client to 1 at the server
 * @property {boolean} leaving
 * @property {Float32Array} points x and y in turn
 *
 * @typedef {{ element: HTMLElement, colour: () => string }} Card of a server
 * @typedef {{ thread: Thread, start: number, up: boolean }} Pulse
 */

/**
 * Draws each connection as a thread from its client through the gateway's ring to its server.
 * @param {HTMLElement} stage
 * @param {HTMLCanvasElement} canvas covers the stage
 * @param {HTMLElement} ring marks where the ring is
 */
export function threads(stage, canvas, ring) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'))
  const still = matchMedia('(prefers-reduced-motion: reduce)')
  /** @type {Map<number, Thread>} */
  const attached = new Map()
  /** @type {Set<Thread>} */
  const shown = new Set()
  /** @type {Pulse[]} */
  let pulses = []
  /** How many threads each card has had. @type {Map<Card, number>} */
  const counts = new Map()
  let scheduled = false
  let stale = true
  let last = 0

  function wake() {
    if (scheduled) return
    scheduled = true
    requestAnimationFrame(frame)
  }

  function measure() {
    stale = true
    wake()
  }

  /** @param {number} now */
  function frame(now) {
    scheduled = false
    const elapsed = Math.min(now - last, 50)
    last = now
    if (stale) layOut(stage, canvas, ring, shown)
    stale = false
    const moving = advance(shown, elapsed)
    pulses = pulses.filter(({ start }) => now - start < pulseTime)
    draw(context, ring, { stage, shown, pulses, now })
    if (moving || pulses.length > 0) wake()
  }

  new ResizeObserver(measure).observe(stage)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', measure)

  return {
    measure,

    /**
     * @param {number} id
     * @param {HTMLElement} dot
     * @param {Card} card
     */
    attach(id, dot, card) {
      const count = (counts.get(card) ?? 0) + 1
      counts.set(card, count)
      // Multiples of the golden ratio spread evenly however many there are, and none moves when others come.
      const slot = ((count * 0.618034) % 1) * 2 - 1
      const points = new Float32Array((2 * steps + 1) * 2)
      const thread = { dot, card, slot, length: still.matches ? 1 : 0, leaving: false, points }
      attached.set(id, thread)
      shown.add(thread)
      measure()
    },

    /** @param {number} id */
    detach(id) {
      const thread = attached.get(id)
      if (thread === undefined) return
      attached.delete(id)
      if (still.matches) shown.delete(thread)
      thread.leaving = true
      wake()
    },

    /**
     * A message passes.
     * @param {number} id
     * @param {boolean} up from the client to the server
     */
    pulse(id, up) {
      const thread = attached.get(id)
      if (thread === undefined || still.matches || document.hidden || pulses.length >= mostPulses) return
      pulses.push({ thread, start: performance.now() + (up ? 0 : pulseTime * 0.6), up })
      wake()
    },
  }
}

/**
 * @param {Set<Thread>} shown
 * @param {number} elapsed
 * @returns {boolean} whether something still moves
 */
function advance(shown, elapsed) {
  let moving = false
  for (const thread of shown) {
    if (thread.leaving) {
      thread.length -= elapsed / shrinkTime
      if (thread.length <= 0) shown.delete(thread)
      moving = true
    } else if (thread.length < 1) {
      thread.length = Math.min(1, thread.length + elapsed / growTime)
      moving = true
    }
  }
  return moving
}

/**
 * @param {HTMLElement} stage
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLElement} ring
 * @param {Set<Thread>} shown
 */
function layOut(stage, canvas, ring, shown) {
  const box = stage.getBoundingClientRect()
  const scale = window.devicePixelRatio
  canvas.width = Math.round(box.width * scale)
  canvas.height = Math.round(box.height * scale)
  canvas.getContext('2d')?.setTransform(scale, 0, 0, scale, 0, 0)
  const eye = ring.getBoundingClientRect()
  const upright = isUpright(ring)
  for (const { dot, card, slot, points } of shown) {
    if (!dot.isConnected) continue
    const from = dot.getBoundingClientRect()
    const to = card.element.getBoundingClientRect()
    const share = shareOfRing(card.element, slot)
    const ax = from.x + from.width / 2 - box.x
    const ay = from.y + from.height / 2 - box.y
    const mx = eye.x + eye.width / 2 - box.x + (upright ? share * eye.width * 0.28 : 0)
    const my = eye.y + eye.height / 2 - box.y + (upright ? 0 : share * eye.height * 0.28)
    const bx = upright ? to.x + to.width * (0.5 + slot * 0.32) - box.x : to.x - box.x
    const by = upright ? to.y - box.y : to.y + to.height * (0.5 + slot * 0.3) - box.y
    curve(points, 0, [ax, ay, mx, my], upright)
    curve(points, steps, [mx, my, bx, by], upright)
  }
}

/**
 * Where a thread passes the ring, from -1 to 1: those of one server side by side, in the order of the servers.
 * @param {HTMLElement} card
 * @param {number} slot
 */
function shareOfRing(card, slot) {
  const siblings = [...(card.parentElement?.children ?? [card])]
  const width = 2 / siblings.length
  return -1 + width * (siblings.indexOf(card) + 0.5 + slot * 0.42)
}

/** Whether the threads run from top to bottom, as on a phone. @param {HTMLElement} ring */
function isUpright(ring) {
  return ring.offsetWidth > ring.offsetHeight
}

/**
 * Writes the points of one half of a thread: it leaves and arrives in the direction of the stage.
 * @param {Float32Array} points
 * @param {number} first
 * @param {[number, number, number, number]} ends
 * @param {boolean} upright
 */
function curve(points, first, [ax, ay, bx, by], upright) {
  for (let i = 0; i <= steps; i += 1) {
    const t = i / steps
    const along = 3 * t * (1 - t) * (1 - t) * 0.5 + 3 * t * t * (1 - t) * 0.5 + t * t * t
    const across = 3 * t * t * (1 - t) + t * t * t
    const at = (first + i) * 2
    points[at] = ax + (bx - ax) * (upright ? across : along)
    points[at + 1] = ay + (by - ay) * (upright ? along : across)
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLElement} ring
 * @param {{ stage: HTMLElement, shown: Set<Thread>, pulses: Pulse[], now: number }} scene
 */
function draw(context, ring, { stage, shown, pulses, now }) {
  const box = stage.getBoundingClientRect()
  context.clearRect(0, 0, box.width, box.height)
  const colours = new Map()
  for (const { card } of shown) if (!colours.has(card)) colours.set(card, card.colour())

  drawRing(context, ring, box, 'back')
  context.lineWidth = 1.5
  context.lineCap = 'round'
  context.globalAlpha = 0.75
  for (const thread of shown) {
    context.strokeStyle = colours.get(thread.card)
    trace(context, thread)
  }
  context.globalAlpha = 1
  for (const thread of shown) {
    const growing = thread.length < 1
    dotAt(context, thread, thread.length, growing ? 4 : 2.5, colours.get(thread.card))
  }
  for (const { thread, start, up } of pulses) {
    const t = (now - start) / pulseTime
    if (t < 0 || t > 1 || thread.length < 1) continue
    dotAt(context, thread, up ? t : 1 - t, up ? 3.5 : 2.2, colours.get(thread.card))
  }
  drawRing(context, ring, box, 'front')
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Thread} thread
 */
function trace(context, { points, length }) {
  const end = Math.round(Math.max(0, length) * 2 * steps)
  context.beginPath()
  context.moveTo(points[0] ?? 0, points[1] ?? 0)
  for (let i = 1; i <= end; i += 1) context.lineTo(points[i * 2] ?? 0, points[i * 2 + 1] ?? 0)
  context.stroke()
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Thread} thread
 * @param {number} t
 * @param {number} radius
 * @param {string} colour
 */
function dotAt(context, { points }, t, radius, colour) {
  const position = Math.min(Math.max(t, 0), 1) * 2 * steps
  const i = Math.min(Math.floor(position), 2 * steps - 1) * 2
  const part = position - i / 2
  const mix = (/** @type {number} */ a, /** @type {number} */ b) => a + (b - a) * part
  const x = mix(points[i] ?? 0, points[i + 2] ?? 0)
  const y = mix(points[i + 1] ?? 0, points[i + 3] ?? 0)
  context.fillStyle = colour
  context.beginPath()
  context.arc(x, y, radius, 0, 2 * Math.PI)
  context.fill()
}

/**
 * The ring is seen from the side: the threads pass before its far half and behind its near half.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLElement} ring
 * @param {DOMRect} box
 * @param {'back' | 'front'} half
 */
function drawRing(context, ring, box, half) {
  const eye = ring.getBoundingClientRect()
  const style = getComputedStyle(ring)
  const upright = isUpright(ring)
  const thickness = Math.min(eye.width, eye.height) * 0.17
  const turn = upright ? (half === 'front' ? 0 : Math.PI) : half === 'front' ? -Math.PI / 2 : Math.PI / 2
  context.lineWidth = thickness
  context.lineCap = half === 'front' ? 'round' : 'butt'
  context.strokeStyle = half === 'front' ? style.color : style.borderTopColor
  context.beginPath()
  const x = eye.x + eye.width / 2 - box.x
  const y = eye.y + eye.height / 2 - box.y
  context.ellipse(x, y, (eye.width - thickness) / 2, (eye.height - thickness) / 2, 0, turn, turn + Math.PI)
  context.stroke()
}

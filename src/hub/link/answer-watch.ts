const askEvery = 2_000
const answerWithin = 3_000

/**
 * Finds out that a server has stopped answering, with its connections open. Does not keep the process alive.
 * @param ask rejects when the connection is lost: that is told otherwise
 * @returns ends it
 */
export function watchAnswers(ask: () => Promise<unknown>, silent: (reason: string) => void): () => void {
  let timer: NodeJS.Timeout
  let ended = false
  const next = () => {
    timer = setTimeout(() => {
      timer = setTimeout(() => silent(`no answer for ${answerWithin} ms`), answerWithin)
      timer.unref()
      ask().then(
        () => {
          clearTimeout(timer)
          if (!ended) next()
        },
        () => clearTimeout(timer),
      )
    }, askEvery)
    timer.unref()
  }
  next()
  return () => {
    ended = true
    clearTimeout(timer)
  }
}

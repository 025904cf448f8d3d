import type { ClusterHalf } from './local.ts'

/** The cluster half of a hub that is alone. */
export const noCluster: ClusterHalf = {
  roomOccupied() {},
  roomEmptied() {},
  userArrived() {},
  userLeft() {},
  present() {},
  relay: () => null,
  async recover(_room, _since, admit, signal) {
    if (!signal.aborted) admit({ position: null, messages: [], complete: true })
  },
}

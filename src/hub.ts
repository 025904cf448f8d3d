export { type ErrorCode, type ErrorSource, FairleadError } from './core/errors.ts'
export type { Duration, Size } from './core/units.ts'
export type { Audience, AudienceSendOptions, Count } from './hub/audience.ts'
export type { ClusterStats } from './hub/cluster/cluster-events.ts'
export type { Gap } from './hub/cluster/feed.ts'
export type { NodeListener } from './hub/cluster/node-listeners.ts'
export type { Answerer, Answers, Missing, MissingReason } from './hub/cluster/questions.ts'
export type { ClusterDriver, NodeRecord, Position } from './hub/cluster.ts'
export type { Stamp } from './hub/cluster-options.ts'
export type {
  CloseHandler,
  CloseInfo,
  Connection,
  Joined,
  JoinOptions,
  MessageHandler,
  SendOptions,
  SendResult,
} from './hub/connection.ts'
export type { HubStats } from './hub/counters.ts'
export { createHub } from './hub/create-hub.ts'
export type { Delivery } from './hub/dispatch.ts'
export type {
  ConnectionEnd,
  HubEvents,
  ReceivedMessage,
  RefusedHandshake,
  SlowConsumer,
} from './hub/events.ts'
export type { AttachOptions, DrainOptions, Hub, OwnName } from './hub/hub.ts'
export type { RecoveredMessage, Recovery } from './hub/local.ts'
export type { HubLog } from './hub/log.ts'
export type { Authenticate, ChooseProtocol, HubOptions, Refusal, Welcome } from './hub/options.ts'
export type { ListOptions, PresenceCount, PresencePage, PresenceView, Room } from './hub/room.ts'
export type { HandshakeRequest } from './hub/transport.ts'

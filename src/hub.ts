export { type ErrorCode, type ErrorSource, FairleadError } from './core/errors.ts'
export type { Duration, Size } from './core/units.ts'
export type { Audience, AudienceSendOptions, Delivery } from './hub/audience.ts'
export type {
  CloseHandler,
  CloseInfo,
  Connection,
  MessageHandler,
  SendOptions,
  SendResult,
} from './hub/connection.ts'
export type { HubStats } from './hub/counters.ts'
export { createHub } from './hub/create-hub.ts'
export type {
  ConnectionEnd,
  HubEvents,
  ReceivedMessage,
  RefusedHandshake,
  SlowConsumer,
} from './hub/events.ts'
export type { AttachOptions, DrainOptions, Hub } from './hub/hub.ts'
export type { HubLog } from './hub/log.ts'
export type { Authenticate, ChooseProtocol, HubOptions, Refusal, Welcome } from './hub/options.ts'
export type { HandshakeRequest } from './hub/transport.ts'

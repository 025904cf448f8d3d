/** How crowded a waiting room is. Once it is filling, it is calm again only when it is half empty. */
export type RoomLevel = 'calm' | 'filling' | 'full'

/** How close the gateway is to the client connections it may have. */
export type DescriptorLevel = 'ok' | 'low' | 'exhausted'

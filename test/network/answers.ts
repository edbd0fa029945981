import {z} from 'zod'

export const gatewayReady = z.looseObject({id: z.string(), publicKey: z.string(), urls: z.object({public: z.string(), tunnel: z.string()})})
export const gatewayStatus = z.looseObject({
  revisions: z.array(z.looseObject({function: z.string(), requests: z.int(), instances: z.int()})),
  miners: z.array(z.looseObject({node: z.string(), instances: z.int(), dataConnections: z.int()}))
})
export type GatewayStatus = z.output<typeof gatewayStatus>

export const appsSchema = z.object({
  apps: z.array(z.looseObject({revisions: z.array(z.looseObject({id: z.string(), function: z.string(), current: z.boolean()}))}))
})

/** `GET /v1/health` and `GET /metrics`: the sensors of the device, and what the keeper tells of the namespace. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { Health } from '../../../protocol/api/schemas.ts'
import type { Caller } from '../../keeper/rpc/messages.ts'
import type { Gate, GateOptions } from '../app.ts'
import { exposition } from '../metrics.ts'

/** Degrees Celsius: a Pi slows itself down at 80 (Raspberry Pi documentation, "Frequency management"). */
const HOT = 80

export function healthRoutes({ keeper, mount }: Gate, options: GateOptions): void {
  const healthFor = async (caller: Caller, route: 'health' | 'metrics'): Promise<Health> => {
    const { log, alarms, ...told } = await keeper.call('report', caller, { route })
    const snapshot = options.health() as Omit<Health, 'link' | keyof typeof told> | null
    if (snapshot === null) throw new ClavigerError('health-unavailable')
    const { temperature } = snapshot.cpu
    const now = Math.floor(Date.now() / 1000)
    const hot = temperature !== null && temperature >= HOT
    return {
      ...snapshot,
      link: options.linkCounters(),
      ...told,
      log: log && { ...log, fsync: { p50: log.fsync.p50 / 1000, max: log.fsync.max / 1000 } },
      alarms: [
        ...(hot ? [{ what: 'temperature' as const, when: now, why: `${temperature} °C` }] : []),
        ...alarms,
      ],
    }
  }

  mount('health', (_request, caller) => healthFor(caller, 'health'))
  mount('metrics', async (_request, caller, reply) => {
    const text = exposition(await healthFor(caller, 'metrics'))
    return reply.type('text/plain; version=0.0.4; charset=utf-8').serializer(String).send(text)
  })
}

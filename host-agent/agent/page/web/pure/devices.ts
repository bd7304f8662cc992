/** Enrolments put together by what they lead to: one shop on one device. */
import type { Enrolment } from '../../api.ts'

export interface Device {
  id: string
  namespace: string
  serial: string
  wire: Enrolment['wire']
  state: Enrolment['state']
  enrolments: Enrolment[]
}

/** In the order of the enrolments. The first that answers says the state. */
export function devicesOf(enrolments: readonly Enrolment[]): Device[] {
  const devices = new Map<string, Device>()
  for (const enrolment of enrolments) {
    const { serial, namespace, wire, state } = enrolment
    const id = `${serial}/${namespace}`
    const device = devices.get(id)
    if (!device) devices.set(id, { id, namespace, serial, wire, state, enrolments: [enrolment] })
    else {
      device.enrolments.push(enrolment)
      device.wire ??= wire
      device.state ??= state
    }
  }
  return [...devices.values()]
}

/** What shows its state: a name in {@link Words} `states`. */
export function stateName({ state }: Pick<Device, 'state'>): NonNullable<Enrolment['state']> | 'silent' {
  return state ?? 'silent'
}

/** Enrolments that can unlock the device with something that is typed, those with a PIN first. */
export function unlockers({ enrolments }: Pick<Device, 'enrolments'>): Enrolment[] {
  const order = { pin: 0, nothing: 1, passphrase: 2 }
  const able = enrolments.filter(({ role }) => role === 'operator' || role === 'administrator')
  return able.toSorted((a, b) => order[a.asks] - order[b.asks])
}

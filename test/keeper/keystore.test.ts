/** The keystore as a whole: slots and states (docs/formats/keystore.md). */
import t from 'tap'
import type {
  Argon2Parameters,
  CostFloor,
  Factor,
  NewFactor,
} from '../../appliance/keeper/keystore/factors.ts'
import { Keystore } from '../../appliance/keeper/keystore/keystore.ts'
import type { NewSlot } from '../../appliance/keeper/keystore/slots.ts'
import { Disk } from './keystore-disk.ts'
import {
  ADMIN,
  adminSlot,
  base,
  bytes,
  certificate,
  opened,
  passphrase,
  place,
  STAFF,
  same,
  staffFactors,
  staffSlot,
  text,
  to,
} from './keystore-stage.ts'

/**
 * Runs `work` on a keystore that is locked when its storage is asked for the operation with this number.
 *
 * @returns how many operations there were
 */
async function lockedAt(
  disk: Disk,
  at: number,
  work: (keystore: Keystore) => Promise<void>,
): Promise<number> {
  const keystore = await Keystore.load(place(disk))
  const first = disk.operations.length
  disk.pause = async () => {
    if (disk.operations.length - first === at) keystore.lock()
  }
  await work(keystore)
  return disk.operations.length - first
}

t.test('When a keystore is loaded, then all but the state can be read without a secret', async t => {
  const keystore = await Keystore.load(place(base.copy()))
  t.equal(keystore.isUnlocked, false)
  t.equal(keystore.generation, 2)
  t.equal(keystore.epoch, 0)
  t.same(keystore.public.get('ca'), certificate)
  t.same(keystore.slots, [
    { id: 'admin', kind: 'passphrase', factors: ['passphrase'] },
    { id: 'staff/till-1', kind: 'staff', factors: ['pin', 'host-share', 'device-secret'] },
  ])
})

t.test('When the factors are right, then every slot opens the same state', async t => {
  const keystore = await Keystore.load(place(base.copy()))
  t.equal(text(await keystore.unlock('admin', ADMIN)), 'old')
  t.equal(text(await keystore.unlock('staff/till-1', STAFF)), 'old')
})

t.test('When any one factor is wrong or out of order, then there is one refusal', async t => {
  const [pin, share, device] = STAFF as [Factor, Factor, Factor]
  const swapped = [pin, { ...share, output: device.output }, { ...device, output: share.output }]
  const wrong: Record<string, [string, Factor[]]> = {
    passphrase: ['admin', passphrase('correct h0rse')],
    pin: ['staff/till-1', staffFactors('2469')],
    'host-share': ['staff/till-1', staffFactors('2468', 9)],
    'device-secret': ['staff/till-1', staffFactors('2468', 1, 9)],
    'shares swapped': ['staff/till-1', swapped],
    'factors in another order': ['staff/till-1', [share, pin, device]],
    'a factor missing': ['staff/till-1', [pin, share]],
    'a factor too many': ['admin', [...ADMIN, share]],
    'another slot': ['staff/till-2', STAFF],
    'factors of another slot': ['admin', STAFF],
  }
  const messages = new Set<string>()
  for (const [what, [slot, factors]] of Object.entries(wrong)) {
    const keystore = await Keystore.load(place(base.copy()))
    const error = await keystore.unlock(slot, factors).catch(error => error)
    t.equal(error.code, 'unlock-refused', what)
    t.equal(keystore.isUnlocked, false)
    messages.add(error.message)
  }
  t.equal(messages.size, 1, 'the message does not tell which factor it was')
})

t.test('When a factor can be no factor, then it is malformed, and no try is counted', async t => {
  const disk = base.copy()
  const keystore = await Keystore.load(place(disk))
  for (const length of [0, 31, 33]) {
    const wrong = (factors: Factor[], at: number) =>
      factors.with(at, { ...factors[at]!, output: new Uint8Array(length) })
    await t.rejects(keystore.unlock('admin', wrong(ADMIN, 0)), { code: 'malformed-request' })
    for (const at of [0, 1, 2])
      await t.rejects(keystore.unlock('staff/till-1', wrong(STAFF, at)), { code: 'malformed-request' })
    const slot = { ...adminSlot, factors: wrong(ADMIN, 0) as NewFactor[] }
    const creation = Keystore.create(place(new Disk()), { state: bytes('x'), slots: [slot] })
    await t.rejects(creation, { code: 'malformed-request' })
  }
  t.equal(disk.names.has('default.tries'), false)
})

t.test('When factors were presented, then the keystore left them to their owner as they were', async t => {
  const keystore = await Keystore.load(place(base.copy()))
  const before = STAFF.map(({ output }) => Uint8Array.from(output))
  await keystore.unlock('staff/till-1', STAFF)
  t.same(
    STAFF.map(({ output }) => output),
    before,
  )
})

t.test('When it is asked how to stretch for a slot, then it tells, and for no such slot refuses', async t => {
  const keystore = await Keystore.load(place(base.copy()))
  t.same(await keystore.stretching('admin'), ADMIN[0]!.argon2)
  t.same(await keystore.stretching('staff/till-1'), STAFF[0]!.argon2)
  await t.rejects(keystore.stretching('staff/till-2'), { code: 'unlock-refused' })
})

t.test('When a slot would be weak or ambiguous, then it is not made', async t => {
  const [pin, share] = STAFF as [NewFactor, NewFactor]
  const costing = (argon2: Partial<Argon2Parameters>): NewSlot => ({
    ...adminSlot,
    factors: [{ ...ADMIN[0]!, argon2: { ...ADMIN[0]!.argon2!, ...argon2 } }],
  })
  const bad: Record<string, NewSlot | object> = {
    'a PIN alone': { id: 'a', kind: 'staff', factors: [pin] },
    'a share alone': { id: 'a', kind: 'staff', factors: [share] },
    'a passphrase and more': { id: 'a', kind: 'passphrase', factors: [...ADMIN, share] },
    'a PIN as a passphrase': { id: 'a', kind: 'passphrase', factors: [pin] },
    'a share twice': { id: 'a', kind: 'staff', factors: [pin, share, share] },
    'an odd id': { ...adminSlot, id: '../admin' },
    'a passphrase that was not stretched': { ...adminSlot, factors: [{ ...ADMIN[0]!, argon2: undefined }] },
    'a share that was stretched': {
      ...staffSlot,
      factors: [pin, { ...share, argon2: pin.argon2 }],
    },
    'an unknown factor': { ...staffSlot, factors: [pin, { ...share, type: 'share' as 'host-share' }] },
    'an unknown kind': { ...adminSlot, kind: 'root' as 'staff' },
    'an absurd memory': costing({ m: 1_048_577 }),
    'absurd passes': costing({ t: 65 }),
    'absurd lanes': costing({ m: 1024, p: 17 }),
    'no lane': costing({ p: 0 }),
    'too little memory for the lanes': costing({ m: 8, p: 2 }),
    'a short salt': costing({ salt: new Uint8Array(15) }),
    'a cost that is no number': costing({ m: Number.NaN }),
  }
  for (const [what, slot] of Object.entries(bad)) {
    const creation = Keystore.create(place(new Disk()), { state: bytes('x'), slots: [slot as NewSlot] })
    await t.rejects(creation, { code: 'malformed-request' }, what)
    const keystore = await opened(base.copy())
    const addition = keystore.update(same, { put: [{ ...slot, id: `${(slot as NewSlot).id}-2` } as NewSlot] })
    await t.rejects(addition, { code: 'malformed-request' }, `${what}, later`)
  }
  await t.rejects(Keystore.create(place(new Disk()), { state: bytes('x'), slots: [] }), {
    code: 'malformed-request',
  })
})

t.test('When a namespace is no name or would take the files of another, then it is refused', async t => {
  for (const name of [
    '',
    '../x',
    'A',
    'a/b',
    'a.previous',
    'a.new',
    'a.lock.1',
    'a.tries',
    'a.outgoing',
    '-a',
  ]) {
    await t.rejects(Keystore.load(place(new Disk(), name)), { code: 'malformed-request' }, name)
  }
})

t.test('When two namespaces share a directory, then neither opens the other', async t => {
  const disk = base.copy()
  const other = await Keystore.create(place(disk, 'union'), { state: bytes('theirs'), slots: [adminSlot] })
  await other.close()
  t.equal(text(await (await Keystore.load(place(disk))).unlock('admin', ADMIN)), 'old')
  disk.put('union', disk.files().default!)
  await t.rejects(Keystore.load(place(disk, 'union')), { code: 'keystore-damaged' })
})

t.test('When a slot is cheaper to try than the floor, then it is not made', async t => {
  const make = (argon2: Partial<Argon2Parameters>, at?: CostFloor) => {
    const factor = { ...ADMIN[0]!, argon2: { ...ADMIN[0]!.argon2!, ...argon2 } }
    const slot = { ...adminSlot, factors: [factor] }
    return Keystore.create({ ...place(new Disk()), floor: at }, { state: bytes('x'), slots: [slot] })
  }
  await t.rejects(make({ m: 65_535, t: 3 }), { code: 'malformed-request', message: /65536 KiB and 3 passes/ })
  await t.rejects(make({ m: 65_536, t: 2 }), { code: 'malformed-request' })
  t.ok(await make({ m: 65_536, t: 3 }), 'the default floor is 64 MiB and three passes')
  await t.rejects(make({ m: 99, t: 1 }, { m: 100, t: 1 }), { code: 'malformed-request' })
  t.ok(await make({ m: 100, t: 1 }, { m: 100, t: 1 }))
})

t.test('When slots are put and removed, then exactly those that remain open', async t => {
  const disk = base.copy()
  const keystore = await opened(disk)
  const second = { ...adminSlot, id: 'admin-2', factors: passphrase('battery staple') }
  const changed = { ...adminSlot, factors: passphrase('changed passphrase') }
  await keystore.update(same, { put: [second, changed], remove: ['staff/till-1', 'staff/nobody'] })
  t.equal(keystore.generation, 3, 'it is one generation')
  await keystore.close()
  const again = await Keystore.load(place(disk))
  await t.rejects(again.unlock('admin', ADMIN), { code: 'unlock-refused' })
  await t.rejects(again.unlock('staff/till-1', STAFF), { code: 'unlock-refused' })
  t.equal(text(await again.unlock('admin-2', second.factors)), 'old')
  t.equal(text(await again.unlock('admin', passphrase('changed passphrase'))), 'old')
  await t.rejects(
    again.update(same, { put: [second, second] }),
    { code: 'malformed-request' },
    'one id twice',
  )
  await again.update(same, { remove: ['admin'] })
  const last = again.update(same, { remove: ['admin-2'] })
  await t.rejects(last, { code: 'malformed-request' }, 'the last way in stays')
  await again.update(same, { put: [adminSlot], remove: ['admin-2'] })
  t.equal(text(await again.unlock('admin', ADMIN)), 'old')
})

t.test('When a change throws, then nothing is written, and what it saw is zeroed', async t => {
  const disk = base.copy()
  const keystore = await opened(disk)
  let seen: Uint8Array | undefined
  const change = (state: Uint8Array) => {
    seen = state
    throw new Error('refused')
  }
  await t.rejects(keystore.update(change, { remove: ['staff/till-1'] }), /refused/)
  t.same(seen, new Uint8Array(3))
  t.equal(keystore.generation, 2)
  t.same(disk.files().default, base.files().default)
  const next = bytes('next')
  await keystore.update(() => next)
  t.same(next, new Uint8Array(4), 'and so is what it returned')
})

t.test('When the keystore is locked, closed or absent, then what needs it is refused as such', async t => {
  const disk = base.copy()
  const keystore = await opened(disk)
  keystore.lock()
  t.equal(keystore.isUnlocked, false)
  await t.rejects(keystore.update(to('x')), { code: 'wrong-state' })
  await t.rejects(keystore.update(same, { remove: ['admin'] }), { code: 'wrong-state' })
  t.equal(text(await keystore.unlock('admin', ADMIN)), 'old')
  await keystore.close()
  await keystore.close()
  await t.rejects(keystore.unlock('admin', ADMIN), { code: 'wrong-state' })
  await t.rejects(Keystore.load(place(new Disk())), { code: 'wrong-state' })
  const creation = Keystore.create(place(disk), { state: bytes('x'), slots: [adminSlot] })
  await t.rejects(creation, { code: 'wrong-state' }, 'a keystore is never written over')
  t.same(disk.files().default, base.files().default)
})

t.test('When it is locked at any step of an unlock, then the unlock cannot undo it', async t => {
  const healthy = base.copy()
  healthy.put('default.tries', new Uint8Array(8 * 32))
  const steps = await lockedAt(healthy, Number.POSITIVE_INFINITY, async keystore => {
    await keystore.unlock('admin', ADMIN)
  })
  t.ok(steps > 5, 'removing the destroyed slot of till-1 is a part of it')
  for (let at = 0; at < steps; at++) {
    const disk = base.copy()
    disk.put('default.tries', new Uint8Array(8 * 32))
    await lockedAt(disk, at, async keystore => {
      await t.rejects(keystore.unlock('admin', ADMIN), { code: 'wrong-state' })
      t.equal(keystore.isUnlocked, false)
      t.equal(text(await keystore.unlock('admin', ADMIN)), 'old', 'and it can be unlocked again')
    })
  }
})

t.test('When it is locked at any step of an update, then the change is durable or was refused', async t => {
  const change = (keystore: Keystore) =>
    keystore.update(to('new'), { remove: ['staff/till-1'] }).then(
      () => 'done',
      error => error.code,
    )
  const unlocked = async (keystore: Keystore) => {
    await keystore.unlock('admin', ADMIN)
  }
  const before = await lockedAt(base.copy(), Number.POSITIVE_INFINITY, unlocked)
  const steps = await lockedAt(base.copy(), Number.POSITIVE_INFINITY, async keystore => {
    await unlocked(keystore)
    await change(keystore)
  })
  const outcomes = new Set<string>()
  for (let at = before; at < steps; at++) {
    await lockedAt(base.copy(), at, async keystore => {
      await unlocked(keystore)
      const outcome = await change(keystore)
      outcomes.add(outcome)
      t.equal(keystore.isUnlocked, false)
      const found = text(await keystore.unlock('admin', ADMIN))
      t.equal(found, outcome === 'done' ? 'new' : 'old', `locked at step ${at}`)
    })
  }
  t.same([...outcomes].sort(), ['done', 'wrong-state'])
})

t.test('When the state or the header is larger than a reader accepts, then it is not written', async t => {
  const disk = base.copy()
  const keystore = await opened(disk)
  await t.rejects(
    keystore.update(() => new Uint8Array(16_777_216)),
    { code: 'too-large' },
  )
  t.equal(keystore.generation, 2)
  const content = { state: bytes('x'), slots: [adminSlot], epoch: 3 }
  const large = new Map([['ca', new Uint8Array(65_536)]])
  await t.rejects(Keystore.create(place(new Disk()), { ...content, public: large }), { code: 'too-large' })
  const odd = new Map([['C A', certificate]])
  const creation = Keystore.create(place(new Disk()), { ...content, public: odd })
  await t.rejects(creation, { code: 'malformed-request' })
  const created = await Keystore.create(place(new Disk()), content)
  t.equal(created.epoch, 3)
  t.equal(created.public.size, 0)
})

t.test('When the file was replaced by an older one while it was loaded, then it does not unlock', async t => {
  const disk = base.copy()
  const keystore = await Keystore.load(place(disk))
  disk.put('default', disk.files()['default.previous']!)
  await t.rejects(keystore.unlock('admin', ADMIN), { code: 'keystore-damaged' })
})

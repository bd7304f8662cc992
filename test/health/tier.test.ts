/** What a device says of the system that it runs. */
import t from 'tap'
import { readTier, tierOf } from '../../appliance/health/tier.ts'

const line = (at: string, type: string, source: string) =>
  `26 1 254:0 / ${at} ro,relatime shared:1 - ${type} ${source} ro,errors=continue\n`

t.test('When the root is a squashfs that the device mapper checks, then it is a verified root', async t => {
  t.equal(tierOf(line('/', 'squashfs', '/dev/dm-0') + line('/data', 'ext4', '/dev/vda4')), 'verified-root')
  t.equal(tierOf(line('/', 'squashfs', '/dev/mapper/root')), 'verified-root')
})

t.test('When it is anything else, then it is not', async t => {
  for (const [type, source] of [
    ['ext4', '/dev/dm-0'],
    ['squashfs', '/dev/sda2'],
    ['overlay', 'overlay'],
  ] as const)
    t.equal(tierOf(line('/', type, source)), 'none', `${type} ${source}`)
  t.equal(tierOf(line('/data', 'squashfs', '/dev/dm-0')), 'none', 'only the root counts')
  const covered = line('/', 'squashfs', '/dev/dm-0') + line('/', 'ext4', '/dev/vda4')
  t.equal(tierOf(covered), 'none', 'something was mounted over it')
  for (const text of ['', '\n', 'nonsense', ' - ']) t.equal(tierOf(text), 'none')
})

t.test('When this machine is asked, then it is no image', async t => {
  t.equal(await readTier(), 'none')
})

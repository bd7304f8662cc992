/** What the Pi's firmware reads, and what the first root loads and is told. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parsePin, withButton } from '../../image-build/boot/button.ts'
import { cmdline } from '../../image-build/boot/cmdline.ts'
import { bootFiles, parseConfigTxt, SLOTS, writeConfigTxt } from '../../image-build/boot/config-txt.ts'
import { readProperty, setProperty } from '../../image-build/boot/fdt.ts'
import { ImageError } from '../../image-build/errors.ts'
import { APPLETS, moduleList, settings } from '../../image-build/initramfs/lists.ts'
import { moduleName, moduleOrder, needsOf } from '../../image-build/initramfs/modules.ts'
import { FACTS, MODELS, MODES, parseVariant, variantName } from '../../image-build/model.ts'
import { unlessThere } from './tools.ts'

t.test(
  'When config.txt is written for a slot, then the firmware finds all four files behind its prefix',
  async t => {
    for (const prefix of Object.values(SLOTS)) {
      const files = bootFiles(parseConfigTxt(writeConfigTxt({ deviceTree: 'x.dtb', prefix })))
      t.same(files, {
        kernel: `${prefix}vmlinuz`,
        initramfs: `${prefix}initramfs.img`,
        cmdline: `${prefix}cmdline.txt`,
        deviceTree: `${prefix}x.dtb`,
        overlays: [],
      })
    }
  },
)

t.test(
  'When config.txt has filters, comments and repeated settings, then it is read as the firmware does',
  async t => {
    const text =
      '# c\nkernel=one # not the last\n[pi4]\nkernel=four\n[all]\nkernel = two\ndtoverlay=a,x=1\ndtoverlay=b\ninitramfs i.img followkernel\n'
    t.same(bootFiles(parseConfigTxt(text)), {
      kernel: 'two',
      initramfs: 'i.img',
      cmdline: 'cmdline.txt',
      deviceTree: null,
      overlays: ['overlays/a.dtbo', 'overlays/b.dtbo'],
    })
    t.throws(
      () => parseConfigTxt(`kernel=${'x'.repeat(98)}`),
      ImageError,
      'the firmware reads 98 characters of a line',
    )
    t.throws(() => writeConfigTxt({ deviceTree: 'x'.repeat(98), prefix: 'a/' }), ImageError)
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[ -~]{0,90}$/)), lines => {
        for (const values of parseConfigTxt(lines.join('\n')).values()) t.ok(values.length > 0)
      }),
    )
  },
)

t.test(
  'When a node is added to a device tree, then dtc reads it, and all that was there before',
  { skip: unlessThere('dtc') },
  async t => {
    const source =
      '/dts-v1/; / { soc { gpio: gpio@7e200000 { compatible = "a"; label = "x"; }; b { pins = <&gpio 1>; }; }; };'
    const dtc = (from: string, to: string, input: string | Uint8Array) =>
      spawnSync('dtc', ['-q', '-I', from, '-O', to, '-'], { input }).stdout
    const plain = dtc('dts', 'dtb', source)
    const made = withButton(plain, 3)
    const phandle = Buffer.from(readProperty(plain, 'soc/gpio@7e200000', 'phandle')!).readUInt32BE(0)
    const text = dtc('dtb', 'dts', made).toString()
    t.match(text, /claviger-button \{\s+compatible = "gpio-keys";\s+label = "gpio-keys";/)
    t.match(text, new RegExp(`gpios = <0x0?${phandle.toString(16)} 0x0?3 0x11>;`))
    // without what was added it is what it was
    t.equal(text.replace(/\n\tclaviger-button \{.*?\n\t\};\n/s, ''), dtc('dtb', 'dts', plain).toString())
    for (const wrong of ['1', '28', 'x', '3.5', '']) t.throws(() => parsePin(wrong), ImageError)
    t.throws(() => withButton(dtc('dts', 'dtb', '/dts-v1/; / { };'), 3), /phandle/)
  },
)

t.test('When a device starts, then the kernel is told to be locked, and talks to nobody', async t => {
  const words = cmdline().split(' ')
  for (const word of [
    ...[
      'lockdown=confidentiality',
      'module.sig_enforce=1',
      'init_on_free=1',
      'slab_nomerge',
      'randomize_kstack_offset=on',
    ],
    ...['panic=10', 'oops=panic', 'debugfs=off', 'console=null'],
  ])
    t.ok(words.includes(word), word)
  t.notOk(words.some(word => /^(?:console=tty|init=|rd\.break|systemd\.debug)/.test(word)))
  t.match(cmdline('ttyAMA0'), /console=ttyAMA0/)
})

const DTS =
  '/dts-v1/;\n/ { soc { usb@1 { dr_mode = "otg"; reg = <1 2>; }; usb@2 { dr_mode = "host"; }; }; end { }; };\n'

t.test(
  'When a property of a device tree is set, then dtc reads it, and the rest is what it was',
  { skip: unlessThere('dtc') },
  async t => {
    const tree = spawnSync('dtc', ['-I', 'dts', '-O', 'dtb', '-q'], { input: DTS }).stdout
    const text = (bytes: Uint8Array) =>
      spawnSync('dtc', ['-I', 'dtb', '-O', 'dts', '-q'], { input: bytes, encoding: 'utf8' }).stdout
    t.equal(Buffer.from(readProperty(tree, 'soc/usb@1', 'dr_mode')!).toString(), 'otg\0')
    t.equal(readProperty(tree, 'soc/usb@3', 'dr_mode'), null)
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{1,30}$/), mode => {
        const made = setProperty(tree, 'soc/usb@1', 'dr_mode', Buffer.from(`${mode}\0`))
        t.equal(text(made), text(tree).replace('"otg"', `"${mode}"`))
        t.same(setProperty(made, 'soc/usb@1', 'dr_mode', Buffer.from('otg\0')), tree)
      }),
      { numRuns: 12 },
    )
    t.throws(() => setProperty(tree, 'soc/usb@1', 'nothing', Buffer.from('')), ImageError)
    fc.assert(
      fc.property(fc.nat(tree.length - 1), length => {
        t.throws(() => readProperty(tree.subarray(0, length), 'soc/usb@1', 'dr_mode'), ImageError)
      }),
    )
  },
)

t.test('When bytes are not a device tree, then they are refused', async t => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      bytes => void t.throws(() => readProperty(bytes, 'a', 'b'), ImageError),
    ),
  )
})

/** A module that says what it needs. */
const moduleOf = (hard: string[], soft: string[] = []) =>
  Buffer.from(
    `\x7fELF..\0depends=${hard.join(',')}\0${soft.length ? `softdep=pre: ${soft.join(' ')}\0` : ''}name=x\0`,
    'latin1',
  )

t.test(
  'When modules need each other, then what is needed comes first, once, and what is built in not at all',
  async t => {
    const kernel: Record<string, Buffer> = {
      ext4: moduleOf(['jbd2', 'crc16'], ['crc32c', 'gone']),
      jbd2: moduleOf([]),
      crc16: moduleOf([]),
      crc32c: moduleOf([]),
      dm_verity: moduleOf(['dm-mod', 'built-in']),
      dm_mod: moduleOf([]),
      odd: moduleOf(['missing']),
    }
    const order = (wanted: string[]) =>
      moduleOrder(wanted, async name => kernel[name] ?? null, new Set(['built_in'])).then(list =>
        list.map(({ name }) => name),
      )
    t.same(await order(['ext4', 'dm-verity', 'jbd2']), [
      'jbd2',
      'crc16',
      'crc32c',
      'ext4',
      'dm_mod',
      'dm_verity',
    ])
    t.same(await order(['none?', 'jbd2?']), ['jbd2'])
    await t.rejects(order(['odd']), /missing/)
    await t.rejects(order(['nowhere']), ImageError)
    t.same(needsOf(moduleOf(['a-b'], ['c'])), { hard: ['a_b'], soft: ['c'] })
    t.equal(moduleName('kernel/drivers/md/dm-verity.ko.xz'), 'dm_verity')
  },
)

t.test('When a dongle is made, then it has no network driver; a LAN box has no USB function', async t => {
  const network = /^(?:genet|lan78xx|smsc95xx|microchip|broadcom|mdio|nf|virtio_net)/
  const gadget = /^(?:libcomposite|u_serial|usb_f_|configfs)/
  for (const model of MODELS)
    for (const mode of FACTS[model].modes) {
      const has = (pattern: RegExp) => moduleList({ mode, model }).some(name => pattern.test(name))
      t.equal(has(network), mode === 'lan', `${mode} ${model}`)
      t.equal(has(gadget), mode === 'dongle', `${mode} ${model}`)
      t.notOk(has(/virtio|dummy_hcd|usb.storage|hid|bluetooth|brcmfmac/), `${mode} ${model}`)
      for (const needed of [/^bcm2835_wdt$/, /^dm-verity$/, /rng/, /^sdhci-iproc$/])
        t.ok(has(needed), `${mode} ${model}: ${needed}`)
    }
  for (const mode of MODES)
    t.ok(Object.keys(settings(mode)).every(key => /^[a-z]/.test(key) && !key.includes('..')))
})

t.test(
  'When the first root runs its script, then the shell understands it and has every program that it calls',
  async t => {
    const script = join(import.meta.dirname, '../../image-build/initramfs/init.sh')
    const { status, stderr } = spawnSync('sh', ['-n', script], { encoding: 'utf8' })
    t.equal(status, 0, stderr)
    const text = await import('node:fs/promises').then(fs => fs.readFile(script, 'utf8'))
    for (const applet of APPLETS)
      if (!['sh', 'cat'].includes(applet)) t.match(text, new RegExp(`\\b${applet}\\b`), `${applet} is used`)
  },
)

t.test('When an image is asked for that cannot be, then it is refused with what can', async t => {
  t.throws(() => parseVariant('lan', 'zero2w'), /cannot be a lan/)
  t.throws(() => parseVariant('dongle', '3'), /cannot be a dongle/)
  for (const bad of [
    ['x', '3'],
    ['lan', '5'],
    ['lan', '3', 'new'],
  ])
    t.throws(() => parseVariant(...bad), ImageError)
  for (const model of MODELS)
    for (const mode of FACTS[model].modes)
      t.same(parseVariant(mode, model), { mode, model, kernel: 'stable' })
  t.equal(variantName(parseVariant('lan', '4', 'backports'), '1.2.3'), 'claviger-1.2.3-lan-4-backports')
  t.equal(variantName(parseVariant(), '1.2.3', 17), 'claviger-1.2.3-dongle-zero2w-gpio17')
})

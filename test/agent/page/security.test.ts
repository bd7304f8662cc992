/** Who is not answered: every rule of docs/formats/page.md, "Who is answered", attacked. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Codes } from '../../../host-agent/agent/page/codes.ts'
import { Frames } from '../../../host-agent/agent/page/frames.ts'
import { type ServedPage, servePage } from '../../../host-agent/agent/page/page.ts'
import { temporaryDirectory } from '../../support/appliance.ts'
import { ask, events, pair, paired, rawly } from './browser.ts'

const SHOP = 'https://shop.example'
const NOTHING = { list: async () => [], open: () => Promise.reject(new Error('there is no dongle')) }

interface Here {
  home: string
  page: ServedPage
  told: string[]
  again(): Promise<ServedPage>
}

/** A page without devices, and with a shop. */
async function serve(t: Test): Promise<Here> {
  const directory = await temporaryDirectory()
  const web = join(directory.path, 'web')
  await mkdir(join(web, 'parts'), { recursive: true })
  await writeFile(join(directory.path, 'settings.json'), JSON.stringify({ page: { shops: [SHOP] } }))
  await writeFile(join(web, 'index.html'), '<!doctype html><script type="module" src="/main.ts"></script>')
  await writeFile(join(web, 'field.html'), '<!doctype html><meta name="claviger-nonce" content="">')
  await writeFile(
    join(web, 'main.ts'),
    "import { html } from 'lit-html'\nconst n: number = 1\nexport { html, n }\n",
  )
  await writeFile(join(web, 'parts', 'list.css'), 'p { color: red }')
  await writeFile(join(web, 'secret.json'), '{"no":"type"}')
  const told: string[] = []
  const options = {
    directory: directory.path,
    holder: NOTHING,
    env: {},
    port: 0,
    machine: '/nonexistent',
    web,
    limits: { headersTimeout: 1000, requestTimeout: 2000, connectionsCheckingInterval: 200 },
  }
  const begin = () => servePage({ ...options, tell: line => told.push(line) })
  const here: Here = {
    home: directory.path,
    page: await begin(),
    told,
    again: async () => {
      await here.page.stop()
      here.page = await begin()
      return here.page
    },
  }
  t.teardown(async () => {
    await here.page.stop()
    await directory.remove()
  })
  return here
}

/** The nonce of a frame's document. */
async function nonceOf(origin: string, from = SHOP): Promise<string> {
  const { text } = await ask(origin, 'GET', `/field?from=${encodeURIComponent(from)}`, null, {
    headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' },
  })
  return /content="([\w-]+)"/.exec(text)?.[1] ?? ''
}

t.setTimeout(60_000)

t.test('When the name of the host is another one, then nothing is said', async t => {
  const { page } = await serve(t)
  const { port } = new URL(page.origin)
  const browser = await pair(page.invite())
  const names = [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1',
    `127.0.0.1:${Number(port) + 1}`,
    `[::1]:${port}`,
  ]
  names.push(`localhost:${port}`, `127.0.0.1.nip.io:${port}`, `127.0.0.1:${port}.`, `127.1:${port}`)
  for (const host of names)
    for (const path of ['/', '/api/overview', '/main.ts', '/field?from=https://shop.example']) {
      const answer = await ask(page.origin, 'GET', path, null, { token: browser.token, headers: { host } })
      if (host === `localhost:${port}` && path === '/') continue
      t.match(answer, { status: /^4(21|00)$/, text: '' }, `${host} ${path}`)
    }
  const posted = await ask(
    page.origin,
    'POST',
    '/api/pair',
    { code: 'x' },
    { headers: { host: 'evil.example' } },
  )
  t.match(posted, { status: 421, text: '' })
  const named = await ask(page.origin, 'GET', '/', null, { headers: { host: `localhost:${port}` } })
  t.match(named, { status: 307, headers: { location: `${page.origin}/` }, text: '' })
  const twice = await rawly(
    page.origin,
    `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nHost: evil.example\r\n\r\n`,
  )
  t.match(twice, /^HTTP\/1.1 421 [^<]*$/)
  t.match(await rawly(page.origin, `GET / HTTP/1.1\r\n\r\n`), /^HTTP\/1.1 400/)
  t.match(
    await rawly(
      page.origin,
      `GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
    ),
    /^HTTP\/1.1 404/,
  )
})

t.test('When another site asks, then it is refused, and no answer can be read by it', async t => {
  const { page } = await serve(t)
  const { token } = await pair(page.invite())
  const sites = [
    'https://evil.example',
    'null',
    `http://localhost:${new URL(page.origin).port}`,
    `${page.origin}.evil`,
  ]
  for (const origin of [...sites, undefined]) {
    const refused = await ask(page.origin, 'POST', '/api/forget', {}, { token, headers: { origin } })
    t.match(refused, { status: 403, body: { code: 'cross-site' } }, `${origin}`)
  }
  const read = await ask(page.origin, 'GET', '/api/overview', null, { token, headers: { origin: SHOP } })
  t.match(read, { status: 403, body: { code: 'cross-site' } })
  for (const site of ['cross-site', 'same-site', 'none', 'SAME-ORIGIN', '']) {
    const refused = await ask(page.origin, 'GET', '/api/overview', null, {
      token,
      headers: { 'sec-fetch-site': site },
    })
    t.match(refused, { status: 403, body: { code: 'cross-site' } }, site)
  }
  const script = await ask(page.origin, 'GET', '/main.ts', null, {
    headers: { 'sec-fetch-site': 'cross-site' },
  })
  t.equal(script.status, 404)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', undefined]) {
    const refused = await ask(
      page.origin,
      'POST',
      '/api/pair',
      { code: 'x' },
      { headers: { 'content-type': type } },
    )
    t.match(refused, { status: 415, body: { code: 'wrong-type' } }, `${type}`)
  }
  const preflight = await ask(page.origin, 'OPTIONS', '/api/pair', null, {
    headers: {
      origin: SHOP,
      'access-control-request-method': 'POST',
      'access-control-request-private-network': 'true',
    },
  })
  t.ok(preflight.status >= 400)
  const allowed = await ask(page.origin, 'GET', '/api/overview', null, { token })
  t.equal(allowed.status, 200)
  for (const answer of [preflight, allowed, read, script, await ask(page.origin, 'GET', '/')]) {
    t.notOk(
      Object.keys(answer.headers).some(name => name.startsWith('access-control-') || name === 'set-cookie'),
    )
    t.equal(answer.headers['cross-origin-resource-policy'], 'same-origin')
    t.equal(answer.headers['x-content-type-options'], 'nosniff')
    t.equal(answer.headers['cache-control'], 'no-store')
    t.equal(answer.headers['referrer-policy'], 'no-referrer')
    t.match(answer.headers['content-length'], /^\d+$/)
  }
})

t.test('When a token is missing, forged or forgotten, then nothing is answered', async t => {
  const { page, home } = await serve(t)
  const first = await pair(page.invite())
  const second = await pair(page.invite())
  const wrong = [
    undefined,
    '',
    'x',
    'A'.repeat(43),
    `${first.token}x`,
    first.token.slice(1),
    first.token.toLowerCase(),
  ]
  for (const token of wrong) {
    const refused = await ask(page.origin, 'GET', '/api/browsers', null, { token })
    t.match(refused, { status: 401, body: { code: 'unpaired', hint: /claviger page/ } }, `${token}`)
  }
  const basic = await ask(page.origin, 'GET', '/api/browsers', null, {
    headers: { authorization: `Basic ${first.token}` },
  })
  t.equal(basic.status, 401)

  const kept = await readFile(join(home, 'page', 'browsers.json'), 'utf8')
  t.notMatch(kept, first.token, 'only hashes are kept')
  t.equal((await stat(join(home, 'page', 'browsers.json'))).mode & 0o777, 0o600)
  t.equal((await stat(join(home, 'page'))).mode & 0o777, 0o700)
  const hash = JSON.parse(kept)[0].hash
  t.equal((await paired(page.origin, hash).get('/api/browsers')).status, 401, 'the hash is no token')

  const { browsers } = (await first.get('/api/browsers')).body
  t.equal(browsers.length, 2)
  const other = browsers.find(({ isThis }) => !isThis)!
  const stream = events(page.origin, second.token)
  await stream.until(() => true)
  t.equal((await first.post('/api/browsers/forget', { id: other.id })).status, 200)
  t.equal((await second.get('/api/overview')).status, 401)
  t.match((await first.post('/api/browsers/forget', { id: other.id })).status, 404)
  t.equal((await first.get('/api/overview')).status, 200)
  for (let waited = 0; !stream.isOver() && waited < 1000; waited += 20) await sleep(20)
  t.ok(stream.isOver(), 'it hears no more of anything')
  stream.close()
})

t.test(
  'When the agent starts again, then browsers are still let in, and a damaged list lets in nobody',
  async t => {
    const here = await serve(t)
    const browser = await pair(here.page.invite())
    const page = await here.again()
    t.equal((await paired(page.origin, browser.token).get('/api/overview')).status, 200)
    await writeFile(join(here.home, 'page', 'browsers.json'), '[{"id":"x"}]')
    const damaged = await here.again()
    t.equal((await paired(damaged.origin, browser.token).get('/api/overview')).status, 401)
    t.match(here.told, [/browsers.json is damaged/])
  },
)

t.test('When a code was used or is old, then it lets in nobody', async t => {
  const { page } = await serve(t)
  const url = page.invite()
  await pair(url)
  await t.rejects(pair(url), /code-refused/)
  for (const code of ['', 'x', 'A'.repeat(32), '../../x', 7, null]) {
    const refused = await ask(page.origin, 'POST', '/api/pair', { code })
    t.match(refused.status, /^40[03]$/, String(code))
  }
  let now = 0
  const codes = new Codes(() => now)
  const [first, second] = [codes.make(), codes.make()]
  now = 119_999
  t.ok(codes.take(first))
  t.notOk(codes.take(first), 'once')
  now = 120_000
  t.notOk(codes.take(second), 'within two minutes')
  const many = Array.from({ length: 17 }, () => codes.make())
  t.notOk(codes.take(many[0]!), 'an old one makes room')
  t.ok(codes.take(many[16]!))
})

t.test(
  'When a page asks for a frame, then only that of a listed shop gets one, for itself alone',
  async t => {
    const { page, home } = await serve(t)
    const framed = { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' } }
    const field = (from: string, odd: object = framed) =>
      ask(page.origin, 'GET', `/field?from=${encodeURIComponent(from)}`, null, odd)
    const given = await field(SHOP)
    t.match(given, {
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8' },
      text: /content="[\w-]{32}"/,
    })
    t.match(
      given.headers['content-security-policy'],
      /default-src 'none';.*; frame-ancestors https:\/\/shop\.example$/,
    )
    t.match(given.headers['content-security-policy'], /require-trusted-types-for 'script'/)
    const own = await ask(page.origin, 'GET', '/')
    t.match(own.headers['content-security-policy'], /frame-ancestors 'none'$/)
    t.equal(own.headers['cross-origin-opener-policy'], 'same-origin')
    const others = [
      'https://evil.example',
      `${SHOP}.evil`,
      `${SHOP}:444`,
      'http://shop.example',
      `${SHOP}; script-src *`,
    ]
    others.push('*', 'null', '', "'self'", page.origin, '"><script>alert(1)</script>')
    for (const from of others) {
      const refused = await field(from)
      t.match(refused, { status: 403, text: /shows nothing in pages of/ }, from)
      t.match(refused.headers['content-security-policy'], /^default-src 'none'; sandbox; frame-ancestors \*$/)
      t.notMatch(refused.text, /<script|claviger-nonce/)
    }
    const alone = await field(SHOP, { headers: { 'sec-fetch-site': 'none', 'sec-fetch-dest': 'document' } })
    t.match(
      alone,
      { status: 403, text: /in a page of the shop only/ },
      'a window of its own has no page around it',
    )
    await writeFile(join(home, 'settings.json'), '{"page":{"shops":[]}}')
    t.equal((await field(SHOP)).status, 403, 'a shop that is taken off the list')
  },
)

t.test(
  'When a frame asks, then a person lets it in by its digits, and it may only look and reveal',
  async t => {
    const { page, home } = await serve(t)
    const person = await pair(page.invite())
    const frame = (path: string, body: object) => ask<Record<string, string>>(page.origin, 'POST', path, body)
    const nonce = await nonceOf(page.origin)
    const { body: asked } = await frame('/api/frames/ask', { from: SHOP, nonce })
    t.match(asked, { from: SHOP, digits: /^\d{4}$/ })
    t.match(
      (await frame('/api/frames/ask', { from: SHOP, nonce })).body.code,
      'frame-refused',
      'a nonce is used once',
    )
    t.match((await person.get('/api/frames/asked')).body.asked, [
      { id: asked.id, from: SHOP, digits: asked.digits },
    ])
    t.notMatch((await person.get('/api/frames/asked')).text, asked.secret!)
    const collect = (secret = asked.secret) => frame('/api/frames/collect', { id: asked.id, secret })
    t.match((await collect()).body, { answer: 'waiting' })
    t.match((await collect('A'.repeat(43))).status, 403)
    t.equal((await ask(page.origin, 'POST', '/api/frames/answer', { id: asked.id, allow: true })).status, 401)
    t.equal((await person.post('/api/frames/answer', { id: asked.id!, allow: true })).status, 200)
    t.equal((await person.post('/api/frames/answer', { id: asked.id!, allow: false })).status, 403, 'once')
    const { body } = await collect()
    t.match(body, { answer: 'allowed', token: /^[\w-]{43}$/ })
    t.equal((await collect()).status, 403, 'a token is given out once')
    const inside = paired(page.origin, body.token!)
    t.match((await inside.get('/api/overview')).body, { enrolments: [], strangers: [], tables: [] })
    const reveal = {
      as: 'nobody',
      purpose: 'p',
      items: [{ ciphertext: 'x', context: { field: 'f', record: 'r' } }],
    }
    t.match(
      (await inside.post('/api/reveal', reveal)).body,
      { code: 'bad-profile' },
      'it gets as far as that',
    )
    for (const path of ['/api/browsers', '/api/frames/asked', '/api/events'] as const)
      t.match(await inside.get(path), { status: 403, body: { code: 'not-for-frames' } }, path)
    const closed = [
      'unlock',
      'lock',
      'lockdown',
      'lift',
      'look-up',
      'labels',
      'today',
      'admin',
      'browsers/forget',
      'frames/answer',
    ]
    for (const path of closed)
      t.match(
        await ask(page.origin, 'POST', `/api/${path}`, {}, { token: body.token }),
        { status: 403, body: { code: 'not-for-frames' } },
        path,
      )
    t.match((await person.get('/api/browsers')).body.browsers, [
      { kind: 'page' },
      { kind: 'frame', from: SHOP },
    ])

    // refused, of another origin, and of a shop that is gone
    const { body: second } = await frame('/api/frames/ask', { from: SHOP, nonce: await nonceOf(page.origin) })
    await person.post('/api/frames/answer', { id: second.id!, allow: false })
    t.match((await frame('/api/frames/collect', { id: second.id, secret: second.secret })).body, {
      answer: 'refused',
    })
    await writeFile(
      join(home, 'settings.json'),
      JSON.stringify({ page: { shops: [SHOP, 'https://other.example'] } }),
    )
    const foreign = await nonceOf(page.origin, 'https://other.example')
    t.match((await frame('/api/frames/ask', { from: SHOP, nonce: foreign })).status, 403)
    t.match((await frame('/api/frames/ask', { from: 'https://evil.example', nonce: foreign })).status, 403)
    await writeFile(join(home, 'settings.json'), '{}')
    t.equal((await inside.get('/api/overview')).status, 401, 'its token ends with the shop')
  },
)

t.test('When many frames ask, then the person is not flooded, and what waits too long is gone', t => {
  let now = 0
  const frames = new Frames(() => now)
  const askFrom = (from: string) => frames.ask(from, frames.nonceFor(from))
  const asked = Array.from({ length: 4 }, () => askFrom(SHOP))
  t.throws(() => askFrom(SHOP), { code: 'too-many-requests' })
  t.equal(new Set(asked.map(({ digits }) => digits)).size, 4)
  for (let i = 0; i < 12; i++) askFrom(`https://shop-${i}.example`)
  t.throws(() => askFrom('https://one-more.example'), { code: 'too-many-requests' })
  frames.answer(asked[0]!.id, true)
  now = 180_000
  t.strictSame(frames.list(), [])
  t.throws(() => frames.answer(asked[1]!.id, true), { code: 'frame-refused' })
  t.throws(() => frames.collect(asked[0]!.id, asked[0]!.secret), { code: 'frame-refused' })
  const old = frames.nonceFor(SHOP)
  now += 12 * 3_600_000
  t.throws(() => frames.ask(SHOP, old), { code: 'frame-refused' })
  t.end()
})

t.test('When another path is asked for, then no other file is there', async t => {
  const { page } = await serve(t)
  const served: [path: string, type: string, what: RegExp][] = [
    ['/main.ts', 'text/javascript; charset=utf-8', /from '\/vendor\/lit-html\/lit-html.js'\nconst n {9}= 1/],
    ['/parts/list.css', 'text/css; charset=utf-8', /^p \{/],
    ['/vendor/lit-html/lit-html.js', 'text/javascript; charset=utf-8', /\w/],
    ['/vendor/lit-html/directives/repeat.js', 'text/javascript; charset=utf-8', /\.\.\/lit-html\.js/],
    ['/vendor/uplot/uPlot.esm.js', 'text/javascript; charset=utf-8', /uPlot/],
    ['/vendor/uplot/uPlot.min.css', 'text/css; charset=utf-8', /\.u-/],
  ]
  for (const [path, type, what] of served)
    t.match(
      await ask(page.origin, 'GET', path),
      { status: 200, headers: { 'content-type': type }, text: what },
      path,
    )
  const others = [
    '/secret.json',
    '/index.html',
    '/field.html',
    '/../settings.json',
    '/..%2fsettings.json',
    '//etc/passwd',
  ]
  others.push(
    '/parts',
    '/parts/',
    '/parts/..',
    '/vendor/',
    '/vendor/fastify/fastify.js',
    '/vendor/../page/browsers.json',
  )
  others.push(
    '/%2e%2e/settings.json',
    '/main.ts%00.css',
    '/MAIN.TS',
    '/vendor/lit-html/package.json',
    'index.html',
  )
  others.push('/vendor/lit-html/lit-html.js.map', '/__proto__', '/constructor', '/file:///etc/passwd')
  for (const path of others) {
    const raw = await rawly(
      page.origin,
      `GET ${path} HTTP/1.1\r\nHost: ${new URL(page.origin).host}\r\nConnection: close\r\n\r\n`,
    )
    t.match(raw, /^HTTP\/1.1 40[04] /, path)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'TRACE'])
    t.match((await ask(page.origin, method, '/main.ts')).status, 405, method)
  t.match(await ask(page.origin, 'POST', '/api/nothing', {}), {
    status: 404,
    body: { code: 'unknown-route' },
  })
  t.match(await ask(page.origin, 'GET', '/api/pair'), { status: 405, body: { code: 'wrong-method' } })
})

t.test(
  'When bodies are huge, slow or nonsense, and heads are floods, then they end, and the next is answered',
  async t => {
    const { page, told } = await serve(t)
    const browser = await pair(page.invite())
    const { host } = new URL(page.origin)
    const post = (path: string, raw: string | Buffer) =>
      ask(page.origin, 'POST', path, null, { token: browser.token, raw })
    t.match(await post('/api/pair', `{"code":"${'x'.repeat(5000)}"}`), {
      status: 413,
      body: { code: 'too-large' },
    })
    t.match(await post('/api/look-up', Buffer.alloc(300_000, 0x20)), { status: 413 })
    const head = `POST /api/unlock HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${page.origin}\r\nAuthorization: Bearer ${browser.token}\r\nContent-Type: application/json\r\n`
    const chunk = `1000\r\n${' '.repeat(4096)}\r\n`
    t.match(
      await rawly(page.origin, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(200)}`),
      /^HTTP\/1.1 413|^$/,
    )
    for (const raw of [
      '',
      '{',
      '[]',
      'null',
      '"x"',
      '{"as":7}',
      '{"as":"a","secret":"x","more":1}',
      '{"__proto__":1}',
    ])
      t.match(await post('/api/unlock', raw), { status: 400, body: { code: 'malformed-request' } }, raw)
    t.match((await post('/api/unlock', Buffer.from([0x22, 0xff, 0x22]))).status, 400, 'not UTF-8')
    const flood = `GET / HTTP/1.1\r\nHost: ${host}\r\n${'X-Flood: x\r\n'.repeat(2000)}\r\n`
    t.match(await rawly(page.origin, flood), /^HTTP\/1.1 431|^$/)
    t.match(await rawly(page.origin, `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n`), /^HTTP\/1.1 (431|414)|^$/)
    const began = performance.now()
    const slowHead = rawly(page.origin, `GET / HTTP/1.1\r\nHost: ${host}\r\n`)
    const slowBody = rawly(page.origin, `${head}Content-Length: 100\r\n\r\n{"as`)
    t.match(await slowHead, /^HTTP\/1.1 408/)
    t.ok(performance.now() - began < 4000)
    const idle = Array.from({ length: 80 }, () =>
      connect(Number(new URL(page.origin).port), '127.0.0.1').on('error', () => {}),
    )
    await sleep(300)
    for (const socket of idle) socket.destroy()
    await sleep(200)
    t.equal((await browser.get('/api/browsers')).status, 200)
    t.match(await slowBody, /^HTTP\/1.1 408/)
    t.ok(performance.now() - began < 6000)
    t.strictSame(told, [], 'nothing of this is a failure of the page')
  },
)

t.test('When another program has the port, then it is said plainly', async t => {
  const squatter = createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  t.teardown(() => squatter.close())
  const { port } = squatter.address() as { port: number }
  const directory = await temporaryDirectory()
  t.teardown(() => directory.remove())
  const options = { directory: directory.path, holder: NOTHING, env: {}, tell: () => {} }
  await t.rejects(servePage({ ...options, port }), {
    code: 'unreachable',
    message: /another program has the port, which may be the agent of another user/,
    hint: /"page": \{ "port"/,
  })
})

t.test('When another user of this computer asks, then not even a file is answered', async t => {
  if (process.platform !== 'linux') return t.comment('skipped: only Linux says whose a connection is')
  if (process.getuid?.() !== 0)
    return process.env.CI ? void t.fail('needs root') : t.comment('skipped: it needs root to be another user')
  const { page } = await serve(t)
  const { token } = await pair(page.invite())
  const { port, host } = new URL(page.origin)
  const words = `GET /api/overview HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`
  const client = `const s = require('net').connect(${port}, process.argv[1]); s.on('error', () => {}); s.write(process.argv[2]); s.pipe(process.stdout)`
  const as = async (user: string | null, address: string, request: string) => {
    const node = [process.execPath, '-e', client, address, request]
    const [program, ...args] = user ? ['setpriv', '--reuid', user, '--clear-groups', ...node] : node
    const { NODE_OPTIONS: _, ...env } = process.env
    const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'], env, cwd: '/' })
    const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
    return said
  }
  const front = `GET /main.ts HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  t.match(await as(null, '127.0.0.1', words), /^HTTP\/1.1 200/, 'the same user is answered')
  t.match(
    await as(null, '::ffff:127.0.0.1', front),
    /^HTTP\/1.1 200/,
    'with a socket of the other family too',
  )
  for (const request of [words, front]) {
    t.equal(await as('65534', '127.0.0.1', request), '')
    t.equal(await as('65534', '::ffff:127.0.0.1', request), '')
  }
})

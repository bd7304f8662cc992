/**
 * The least that stands behind an HTTPS server of three processes: answers each message of a UNIX socket after one bare
 * X25519 and one durable write. None of our code is in it.
 */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'
import { fdatasync, openSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'

const [, , socketPath = '', logPath = '', answer = ''] = process.argv
const { privateKey } = generateKeyPairSync('x25519')
const theirs = createPublicKey(createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })))
const log = openSync(logPath, 'a')
const entry = Buffer.alloc(300, 0x20)

createServer(socket => {
  socket.on('data', () => {
    writeSync(log, entry)
    fdatasync(log, () => {
      diffieHellman({ privateKey, publicKey: theirs })
      socket.write(answer)
    })
  })
}).listen(socketPath, () => process.send?.('ready'))
process.once('disconnect', () => process.exit(0))

import { askOnce } from '../support/http.ts'
import { startInProcess } from '../support/in-process.ts'

const d = await startInProcess()
const admin = await d.appliance.connect(d.appliance.admin)
console.log(await admin.status())
console.log(await askOnce(d.cable(), d.appliance.admin, { path: '/v1/nothing' }))
console.log(await askOnce(d.cable(), d.appliance.admin, { path: '/v1/%zz' }))
console.log(await askOnce(d.cable(), d.appliance.admin, { method: 'POST', path: '/v1/keys', body: '{' }))
await askOnce(d.cable(), null).then(
  x => console.log(x),
  e => console.log('refused', e.code, e.message),
)
await d.stop()
console.log(process.getActiveResourcesInfo())

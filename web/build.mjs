// Puts the page and NiiVue where the server looks for them. No bundler: NiiVue's module is whole, and browsers load ours.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const target = join(here, '..', 'src', 'askance', 'server', 'assets')
const niivue = join(here, 'node_modules', '@niivue', 'niivue')

rmSync(target, { recursive: true, force: true })
mkdirSync(join(target, 'vendor'), { recursive: true })
for (const name of readdirSync(join(here, 'src'))) copyFileSync(join(here, 'src', name), join(target, name))
copyFileSync(join(niivue, 'dist', 'index.js'), join(target, 'vendor', 'niivue.js'))
const licence = readdirSync(niivue).find((name) => /^licen[cs]e/i.test(name))
if (licence) copyFileSync(join(niivue, licence), join(target, 'vendor', 'niivue.LICENSE.txt'))
writeFileSync(join(target, 'vendor', 'README.txt'), 'NiiVue, BSD-2-Clause, as pinned in web/package-lock.json\n')
console.log(`the page is in ${target}`)

# The words of the page in Spanish. English, the original, is en.ftl.

## Of every part

language-name = Español
shared-decimal-mark = ,
shared-thousands-mark = .
shared-details = Detalles
shared-try-again = Volver a intentarlo
shared-no-worker = Este navegador no permite que la página inicie un worker. Permítelo y vuelve a intentarlo.
shared-no-simd = Este navegador no tiene WebAssembly SIMD, y de eso está hecho el motor. Chrome y Edge lo tienen desde la versión 91, Firefox desde la 89 y Safari desde la 16.4.

## What the page is doing

waiting-server = El servidor no responde como debe. Nuevo intento en { $seconds } s…
waiting-tab = Otra pestaña de este sitio está descargando el mismo archivo…
status-starting = Cargando el motor…
status-downloading = Descargando lo que necesitan estas imágenes…
status-sampling = Haciendo imágenes a partir de ruido…
status-hidden = En pausa mientras esta página está oculta. Sigue por sí solo cuando vuelve a verse.
status-shown-again = Esto esperó mientras la página estaba oculta y ahora sigue.
status-again = El motor ha fallado. Se ha vuelto a arrancar y hace las mismas imágenes otra vez…
status-ready = Todo listo.
status-stopped = Detenido.
status-question = Antes, una pregunta.
status-failed = Eso no ha funcionado.
status-done = { $what }: { $seconds } s, { $ms } ms por paso.
step-bytes = { $got } de { $all }
step-of = paso { $step } de { $all }

## Which device computes

gpu-used = Se calcula en tu GPU ({ $name }) con WebGPU.
gpu-no-cpu = Se calcula en la CPU: { $why }.
gpu-no = Sin GPU: { $why }.
gpu-unbuilt = Se calcula en la CPU. El motor para tu GPU ({ $name }) aún se está construyendo; la próxima visita lo usará.
gpu-sought-cpu = Se calcula en la CPU; se busca una GPU.
gpu-sought = Se busca una GPU.
gpu-coming = Se calcula en la CPU; el motor para tu GPU ({ $name }) se está cargando.
gpu-unwanted = Se calcula en la CPU, como pide la dirección.
gpu-unknown = Se calcula en la CPU.
why-no-webgpu = este navegador no tiene WebGPU
why-no-adapter = este navegador tiene WebGPU, pero ningún adaptador gráfico para él
why-emulated = el único adaptador ({ $name }) es emulado, y eso es más lento
why-differs = sus números difieren de los de la CPU hasta en { $furthest }
why-beside = el motor de la CPU falló a su lado
why-trial = el motor de la GPU no pasó su prueba. { $why }
gpu-cannot = No se puede usar la GPU: { $why }.
engine-unbuilt = El motor de WebGPU aún se está construyendo. Usa por ahora la CPU; la próxima visita lo encontrará.
engine-missing = El motor no se cargó: { $file } no está en el servidor. Quien lleva este sitio puede construirlo con «just site».
engine-not-loaded = El motor no se cargó. Comprueba la conexión y vuelve a intentarlo.
engine-again = El motor falló mientras hacía estas imágenes; se volvió a arrancar y las hizo otra vez.
engine-handed = La GPU se perdió mientras hacía estas imágenes, así que las hizo la CPU.
engine-twice = El motor falló, se volvió a arrancar y falló de nuevo. Cierra otras pestañas o pide menos imágenes y vuelve a intentarlo.
gpu-twice = La GPU se perdió, se probó otra vez y se volvió a perder. Deja que la CPU haga estas imágenes.

## Who vouches for the gallery

unsigned = sin firmar
unsigned-own = Esta galería viene del mismo sitio que esta página, así que confías en ella como en la página. No está firmada.
unsigned-nobody = Nadie ha firmado esta galería.
signed = firmada ✓
signed-by = Firmada con la clave de huella { $fingerprint }, en la que este dispositivo confía.
signed-not-kept = firmada, no recordada
signed-by-not-kept = Firmada con la clave de huella { $fingerprint }. Este dispositivo no tiene espacio para recordarla, así que volverá a preguntar.
card-heading = Quién hizo este modelo, y con qué
card-authors = Hecho por
card-licence = Licencia
card-data = Datos
card-tool = Programa
vouched = El editor me ha dicho que esto es correcto
forgetting = Este dispositivo olvida entonces la clave y la versión que ha visto, y sigue como en una primera visita.
forget = Olvidar lo que ha visto

## The frame of the page

language-label = Idioma
language-failed = Las palabras de ese idioma no llegaron. Comprueba la conexión y vuelve a elegirlo.
views = Vistas
gallery = Galería
tab-make = Crear
tab-word = Palabra
tab-apart = Desmontar
tab-teach = Enseñar
tab-device = Archivos
close = Cerrar
link-wrong = Este enlace dice { $parts }, y esta página no lo entiende. Esa parte se ha omitido.
quoted = «{ $text }»
unknown-class = Esta galería no tiene la clase «{ $class }». Elige una de las que muestra. Si alguien la enseñó en su dispositivo, pídele su archivo y suéltalo en esta página.
no-settings = Este archivo no contiene ajustes. Una imagen guardada aquí sí, salvo que otro programa la haya reescrito.
view-not-loaded = Esta vista no se cargó. Comprueba la conexión y vuelve a cargar la página.

## The picture

progress = Progreso
picture-making = Imágenes en preparación
picture-none = Aún no hay imágenes
title-word = «{ $word }», { $seeds }
caption = { $what }, { $seeds }
caption-part = { $class } al { $percent } %
caption-mixed = { $first } con { $second }
caption-parts = { $what }, con partes bajadas
caption-alone = solo el learngene
caption-seed = semilla { $seed }
caption-seeds = semillas { $first } a { $last }
remedy-reload = Recargar la página
remedy-cpu = Usar la CPU
remedy-choose = De acuerdo
remedy-trust = Confiar en esta clave
first-image = Tu primera imagen: { $since } s después del clic. De ellos, descargar { $download } s, verificar { $verify } s, preparar { $prepare } s, calcular { $sample } s; el resto es la página y su motor.

## Make

idea-short = Un modelo que se desmonta.
idea-all = Todas las clases comparten un learngene ({ $bytes }), que se descarga una sola vez.
idea-count = Las { $count } clases comparten un learngene ({ $bytes }), que se descarga una sola vez.
idea = Lo que añade cada clase es su tailor: elige una clase y solo se descarga ese pequeño pack. Cada imagen se hace aquí, en tu propio equipo.
classes = Clases
several = Varias
search = Buscar en todas las clases
not-all = Solo se puede buscar entre las clases mostradas hasta ahora.
hint-coming = La lista de todas las clases está en camino…
hint-found = Se muestran las primeras { $count }: escribe más.
hint-click = Un clic crea una imagen de esa clase.
hint-too-many = { $count } elegidas; se crean las primeras { $most }.
hint-chosen = { $count } elegidas; luego «Generar».
here = , en este dispositivo
seed = Semilla
random = Semilla al azar
images = Imágenes
steps = Pasos
guidance = Guía
alone = Solo learngene
alone-why = Lo que comparten todas las clases, sin lo que hace de ella una de ellas
generate = Generar
cancel = Cancelar
save = Guardar PNG
open = Abrir un PNG guardado
history = Historial

## Share

share = Compartir
copy = Copiar enlace
link = Enlace a esta imagen
qr = Código QR del enlace
local = El enlace contiene todos los ajustes. Quien lo abra obtiene la misma imagen.
local-own = Quien abra el enlace necesita el archivo de la clase que se enseñó aquí: envíalo también.
too-long = El enlace es demasiado largo para un código QR.
copied = El enlace está copiado.
not-copied = Este navegador no deja que la página copie. Selecciona el enlace y cópialo.

## Word

word = Escribe una palabra
word-hint = Cada letra la dibuja su propio tailor, a partir de un learngene compartido.
dials = Baja el tailor de una letra y se verá su learngene
dial = Cuánto del tailor
word-teach = Enséñaselo
no-pack = No hay pack para { $sign }.
no-packs = No hay packs para { $signs } y { $last }.
letters-shared = { $count ->
    [one] Lo que no cambia de una letra a otra es el learngene ({ $bytes }). Lo que cambia es el tailor: esta palabra necesita un tailor ({ $own }). Todas las letras empiezan con el mismo ruido; por eso muchas se parecen en peso, tamaño y lugar.
   *[other] Lo que no cambia de una letra a otra es el learngene ({ $bytes }). Lo que cambia es el tailor: esta palabra necesita { $count } tailors ({ $own }). Todas las letras empiezan con el mismo ruido; por eso muchas se parecen en peso, tamaño y lugar.
}

## Take apart

first-class = Clase
second-class = Mezclada con
nobody = ninguna
parts = Parte por parte
parts-why = Un tailor añade algo a cada una de estas matrices en todas las capas, y una etiqueta que dice a la red su clase. Baja una capa, un tipo de matriz o la etiqueta y mira qué falta. Las matrices qkv y o son la atención; in y out, la red de alimentación directa.
parts-label = Etiqueta
parts-whole = Subirlo todo otra vez
shown = Mostrar
show-dial = Como dicen los controles
show-beside = Sin y con el tailor, uno al lado del otro
show-classes = { $count } clases con una semilla
show-classes-bytes = { $count } clases con una semilla ({ $bytes } por descargar)
showing-dial = Al 0 % el learngene trabaja solo; al 100 %, con todo el tailor. Lo demás queda como está.
showing-beside = Dos veces la misma semilla: a la izquierda el learngene solo; a la derecha, con el tailor según su control.
showing-classes = La misma semilla para cada clase, con el tailor propio de la clase al 100 %.
time = Paso a paso
play = Reproducir
pause = Pausa
back = Atrás
forward = Adelante
step = Paso
no-film = Crea una imagen y aquí podrás reproducir sus pasos.
frame = Paso { $step } de { $all }: lo que ve el modelo y la imagen limpia que hace con ello.
inside = Dentro del modelo
inside-why = Cada celda es una matriz de una capa. La parte de abajo es del learngene; la de arriba, lo que añade el tailor según su control. Elige una celda para ver sus números.
measure = Medir las partes
layer = Capa { $layer }
formula = Capa { $layer }, { $matrix }: y = x·L + { $weight }·x·T + b. La matriz L del learngene tiene la norma { $shared }; la T del tailor, { $tailor }, de la que se usa { $own }: el { $percent } % de ambas.
cell = Capa { $layer }, { $matrix }: learngene { $shared }, tailor { $tailor }
bytes = Bytes
saved = En este dispositivo: el learngene y { $count } de { $all } tailors, { $bytes }. El modelo entero ocupa { $whole }.
saved-more = En este dispositivo: el learngene y { $count } de { $all } tailors, { $bytes }. El modelo entero ocupa más de { $whole }.

## On this device

files = Archivos
files-here = Archivos en este dispositivo
downloaded = Descargado hasta ahora: { $bytes }
downloaded-parts = (galería { $gallery }, página y motor { $code })
file-learngene = Learngene
file-tailor = Tailor { $class }
place-stored = en este dispositivo
place-kept = en uso, guardado en este dispositivo
place-not-kept = en uso, sin guardar: no hay espacio o no hay permiso
used = usado el { $day }
total = { $count ->
    [one] Un archivo, { $bytes }.
   *[other] { $count } archivos, { $bytes }.
}
room = Este sitio ocupa { $used } de los { $granted } que le concede el navegador.
memory = Memoria en uso: { $all }. El programa de la página ocupa { $page }; los motores ocupan { $engines } (workers: { $workers }).
memory-teacher = El maestro ocupa { $teacher }.
memory-scripts = Los scripts de la página ocupan { $scripts }.
memory-gpu = Lo que hay en la GPU no se cuenta.
kept = Se guarda hasta que borres los datos de este sitio.
may-go = Si en este dispositivo falta espacio, el navegador puede borrarlos.
keep = Conservarlos
remove = Quitar de este dispositivo
remove-file = Quitar { $file } de este dispositivo
empty = Aún no hay nada guardado aquí.

## Teach it: a program of its own

teach-heading = Una clase propia
teach-idea = Enseña al modelo una clase que nunca ha visto: un signo, una planta, una cosa tuya. Lo que comparten todas las clases queda como está; solo se aprende un pequeño tailor, aquí en tu dispositivo.
teach-private = Nada sale de este dispositivo.
teach-go-on = Continuar
teach-throw-away = Descartarla
teach-name-label = Nombre de la clase
teach-loading = El maestro aún se está cargando.
teach-nameless = Antes, ponle un nombre a la clase.
teach-no-pictures = Antes, añade imágenes: dibuja algunas, elige archivos o usa la cámara.
teach-one-picture = Una sola imagen es poco para aprender. Añade al menos otra; ocho son un buen comienzo.
teach-all-equal = Todas las imágenes son iguales. Añade una distinta.
teach-no-picture = { $file } no es una imagen que este navegador pueda leer. Elige un PNG, JPEG, WebP, GIF o BMP.
teach-no-camera = No se ha encontrado ninguna cámara. Conecta una o elige archivos.
teach-camera-refused = Esta página no puede usar la cámara. Permítelo en la barra de direcciones del navegador o elige archivos.
teach-camera-busy = La cámara no da ninguna imagen. Cierra otros programas que la usen o elige archivos.
teach-camera-insecure = Los navegadores solo dan la cámara a páginas que llegan por https. Elige archivos.
teach-empty-canvas = El lienzo está vacío. Antes, dibuja algo.
teach-not-kept = Este navegador no tiene espacio para guardar la lección. Deja esta página abierta hasta que la clase esté guardada.
teach-too-many = Como máximo, { $most } imágenes. Quita una para añadir otra.
teach-too-large = { $file } tiene { $millions } millones de píxeles, más de lo que descodifica esta página. Antes, hazla más pequeña.
teach-inverted = Todas las imágenes se invierten: lo oscuro se vuelve claro.
teach-as-they-are = Las imágenes se enseñan tal como son.
teach-bright-on-dark = Esta galería es clara sobre oscuro, así que la tinta oscura sobre papel claro se invierte. Mira las imágenes pequeñas: la cosa debe ser clara.
teach-dark-on-bright = Esta galería es oscura sobre claro, así que la tinta clara sobre fondo oscuro se invierte. Mira las imágenes pequeñas: la cosa debe ser oscura.
teach-no-pictures-yet = Aún no hay imágenes
teach-pictures = { $count ->
    [one] { $count } imagen
   *[other] { $count } imágenes
}
teach-few-pictures = { $count } imágenes; con { $enough } o más se enseña mejor
teach-ready = Se puede empezar.
teach-starting = Preparando…
teach-step-one = Paso { $step } de { $all } en un núcleo
teach-step-cores = Paso { $step } de { $all } en { $cores } núcleos
teach-step-left = { $step }, { $left }
teach-almost = casi listo
teach-seconds-left = quedan { $seconds } segundos
teach-minutes-left = quedan { $minutes } minutos
teach-paused = En pausa tras el paso { $step } de { $all }.
teach-hidden = En pausa mientras esta página está oculta. La lección sigue por sí sola cuando vuelve a verse.
teach-shown-again = La lección esperó mientras la página estaba oculta y ahora sigue.
teach-ending = Dibujando las últimas muestras…
teach-ended = Enseñada en { $step } pasos.
teach-saving = Escribiendo el pack…
teach-made = El pack está hecho.
teach-saved = Guardada. La clase está con las demás en «Crear».
teach-kept-first = Hay guardada una lección de «{ $name }». Sigue con ella, o descártala, antes de empezar otra.
teach-kept = En este dispositivo se guarda una lección de «{ $name }»: se han hecho { $step } de { $all } pasos.
teach-near = { $far }, casi una copia
teach-close = { $far }, parecida
teach-far = { $far }, no es una copia
teach-pack-kept = El pack de «{ $name }» tiene { $size } kB. Se guarda en este navegador.
teach-pack-not-kept = El pack de «{ $name }» tiene { $size } kB. Este navegador no ha podido guardarlo: guárdalo ahora como archivo.
teach-not-loaded = El maestro no se cargó. Comprueba la conexión y vuelve a intentarlo.
teach-broke-down = El maestro ha fallado. Lo enseñado hasta hace unos segundos está guardado.
teach-again-from = El maestro falló y se volvió a arrancar. La lección sigue tras el paso { $step }.
teach-draw = Dibujar
teach-canvas = Lienzo para dibujar; los archivos y la cámara sirven igual sin puntero
teach-thickness = Grosor
teach-undo = Deshacer
teach-clear = Borrar
teach-add = Añadir dibujo
teach-files = Elegir archivos
teach-files-label = Imágenes de este dispositivo, varias a la vez; o suéltalas aquí
teach-camera = Cámara
teach-camera-sees = Lo que ve la cámara
teach-take = Tomar una foto
teach-camera-off = Apagar la cámara
teach-camera-on = Encender la cámara
teach-bright-dark = Claro y oscuro
teach-automatic = Automático
teach-never-inverted = Tal como son
teach-always-inverted = Invertidas
teach-mirror = Reflejada sigue siendo lo mismo (no para letras)
teach-picture = Imagen { $number }
teach-remove-picture = Quitar la imagen { $number }
teach-more = Más
teach-steps = Pasos
teach-from = Partir de
teach-from-nothing = nada
teach-begin = Enseñar
teach-progress = Progreso de la lección
teach-pause = Pausa
teach-stop = Ya está bien, parar
teach-loss = El error baja con los pasos
teach-error = Error
teach-without = Sin tu clase: solo el learngene
teach-with = Con tu clase, después de { $step } pasos
teach-nearest = Tu imagen más cercana a cada una: ¿la copia?
teach-four = Cuatro imágenes de cuatro semillas
teach-nearest-pictures = Las imágenes más cercanas
teach-save = Guardar la clase
teach-card-name = Nombre
teach-card-author = Hecha por (puede quedar vacío)
teach-card-licence = Licencia, como CC0-1.0 o CC-BY-4.0 (puede quedar vacía)
teach-make = Crear imágenes de ella
teach-download = Guardar como archivo
teach-another = Enseñar otra clase

## What stands there before the program has come: index.html and start.js

static-lede = Un <b class="learngene">learngene</b> contiene lo que comparten todas las clases, y un pequeño <b class="tailor">tailor</b> añade lo que hace única a cada clase. Descarga el learngene una vez y solo los tailors que quieras: cada imagen se hace aquí, en tu navegador.
static-galleries = Galerías
static-letters = Letras
static-letters-first = Letras, primera versión
static-fashion = Moda
static-avatars = Avatares
static-icons = Iconos
static-about = ¿Qué es esto?
static-what = Un modelo que hace imágenes a partir de ruido y que se desmonta. Funciona en tu navegador; nada de lo que haces se envía a ningún sitio.
static-learngene = lo que comparten todas las clases: la parte grande, que se descarga una vez.
static-tailor = lo que una clase, como la letra A, añade al learngene.
static-pack = el pequeño archivo en el que viene un tailor.
static-gallery-term = Galería
static-gallery = una carpeta en la web con un learngene y los packs que le corresponden.
static-kind = la manera de entrenar un modelo así: <a href="https://proceedings.mlr.press/v267/xie25d.html">Knowledge Integration and Diversion</a> (ICML 2025).
static-credits = Los avatares siguen estilos de Lisa Wischofsky, The Visual Team, Ashley Seo, vijay verma, Natalia Spivak, Davis Uche, Micah Lanier, Webpixels, Draftbit y Johan Melin (<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>; colores, encuadre y elección de partes cambiados) y de Zoish, Pablo Stanley y DiceBear (CC0).
static-loading = Cargando…
static-slow = Aún cargando: el programa de la página todavía no ha llegado. Si no llega, vuelve a cargar la página.
static-sandbox = Esta página está en un marco aislado de su propio sitio («sandbox» sin «allow-same-origin»), así que el navegador no le da sus archivos. Ábrela en una pestaña propia: { $address }
static-not-arrived = El archivo { $file } no llegó. Comprueba la conexión y vuelve a cargar la página.
static-not-there = El archivo { $file } no está en este servidor (estado { $status }). Quien lleva el sitio debería poner ahí todos los archivos de la carpeta del estudio.
static-type = Este servidor envía el archivo { $file } como «{ $type }», y los navegadores solo lo ejecutan como «text/javascript». Quien lleva el sitio puede fijar ese tipo para los archivos que terminan en .js.
static-opened-as-file = Esta página se abrió como archivo, y los navegadores solo cargan programas de servidores web. Inicia un servidor en la carpeta de la página, con «tailor serve galleries/letters2 --site .» o «python3 -m http.server», y abre la dirección que muestra.
static-no-wasm = Este navegador no tiene WebAssembly, o está desactivado. La página hace sus imágenes con él.
static-policy = La política de seguridad de este sitio prohíbe WebAssembly, con el que la página hace sus imágenes. Quien lleva el sitio puede permitirlo: «script-src» necesita «'wasm-unsafe-eval'».
static-no-simd = Este navegador no tiene WebAssembly SIMD, y de eso está hecha la página. Chrome y Edge lo tienen desde la versión 91, Firefox desde la 89 y Safari desde la 16.4.
static-not-started = El programa de la página no arrancó. Vuelve a cargar la página. ({ $error })

## What the engine says has gone wrong, by its code. English has the engine's own words

failure-address = «{ $subject }» no es la dirección de una galería: debe ser una carpeta en un servidor web.
failure-memory = El archivo { $subject } no cabe en la memoria de este navegador. Cierra otras páginas y vuelve a intentarlo.
failure-missing = No se pudo descargar { $subject }: no está en el servidor. Quizá la galería se esté publicando de nuevo; vuelve a intentarlo dentro de un minuto.
failure-forbidden = No se pudo descargar { $subject }: el servidor no lo entrega. Pregunta al editor de la galería.
failure-status = No se pudo descargar { $subject }: el servidor respondió con un estado inesperado. Pregunta al editor de la galería.
failure-busy = No se pudo descargar { $subject }: el servidor está sobrecargado o averiado. Vuelve a intentarlo más tarde.
failure-later = No se pudo descargar { $subject }: el servidor pide volver más tarde. Inténtalo entonces.
failure-web-page = No se pudo descargar { $subject }: en lugar del archivo llegó una página web. Quizá haya un inicio de sesión delante, o la dirección no sea correcta.
failure-elsewhere = No se pudo descargar { $subject }: el servidor envía a otro sitio. Si la galería está ahora allí, usa esa dirección.
failure-encoded = No se pudo descargar { $subject }: el servidor lo envía comprimido y no tal como es. Pregunta al editor de la galería.
failure-wrong-length = No se pudo descargar { $subject }: en el servidor tiene otra longitud que la del índice. Vuelve a intentarlo dentro de un minuto y luego pregunta al editor.
failure-damaged = No se pudo descargar { $subject }: una parte llegó dañada una y otra vez. Vuelve a intentarlo dentro de un minuto y luego pregunta al editor.
failure-unreachable = No se pudo descargar { $subject }: no se puede llegar al servidor. Quizá este dispositivo esté sin conexión, o el servidor no deja leer a esta página (CORS).
failure-stalled = No se pudo descargar { $subject }: el servidor dejó de enviar. Comprueba la conexión y vuelve a intentarlo.
failure-broken = No se pudo descargar { $subject }: la conexión se cortó varias veces. Compruébala y vuelve a intentarlo.
failure-too-large = No se pudo descargar { $subject }: es más grande de lo que puede ser un archivo así. Pregunta al editor de la galería.
failure-version-too-new = La galería es de una versión de tailor más nueva de la que entiende esta página. Recarga la página.
failure-index-expired = No se abrió la galería: su índice ha caducado. Vuelve a cargarlo, comprueba el reloj de este dispositivo o pide uno nuevo al editor.
failure-index-rolled-back = No se abrió la galería: su índice es más antiguo que otro que este dispositivo ya ha visto. Vuelve a cargarlo sin caché.
failure-signature-missing = No se abrió la galería: debe estar firmada y ya no lo está. Vuelve a cargarla o pide al editor que la firme.
failure-signature-invalid = No se abrió la galería: su firma no corresponde a su índice. Vuelve a cargar los dos.
failure-wrong-key = No se abrió la galería: está firmada con otra clave, no con aquella en la que confía este dispositivo. Confía en la nueva solo si el editor dice que es suya.
failure-index-replaced = No se abrió la galería: su índice tiene la versión de uno anterior, pero otro contenido. Vuelve a cargarlo sin caché o pide al editor una versión más alta.
failure-other-gallery = No se abrió la galería: en esta dirección había antes otra. Comprueba la dirección.
failure-index-refused = No se abrió la galería: su índice no se puede usar.
failure-first-use = Esta galería está firmada. Pregunta a su editor si la huella de su clave es { $subject }; si lo es, confía en ella, y desde entonces este dispositivo no aceptará otra.
failure-wrong-learngene = El archivo { $subject } es de otro learngene, así que no se usó.
failure-digest-mismatch = El archivo { $subject } no es lo que promete esta galería, así que no se usó.
failure-truncated = El archivo { $subject } termina antes de tiempo, así que no se usó.
failure-pack-refused = El archivo { $subject } no es lo que promete esta galería, así que no se usó.
failure-latents = El modelo de esta galería produce latentes de { $subject } canales, que solo un autocodificador convierte en imágenes, y esta página no lo tiene. Dibuja con la línea de órdenes: tailor sample --autoencoder.
failure-unknown-class = Esta galería no tiene la clase «{ $subject }». Elige una de las que muestra. Si alguien la enseñó en su dispositivo, pídele su archivo y suéltalo en esta página.
failure-unknown-sampler = La galería se hizo para otra versión de tailor.
failure-model = El modelo no puede hacer esto. Quizá el número de pasos no vale con este método: prueba con 4.
failure-teaching = No se puede enseñar la clase.
failure-no-gallery = No hay ninguna galería abierta. Abre una antes.
failure-device = No se puede usar la GPU.
failure-read-back = No se pudieron leer las imágenes.
failure-not-finite = Las imágenes contienen valores que no son números. Otra semilla o menos guía puede ayudar.
failure-message = La página y el motor son de versiones distintas.
failure-cancelled = Detenido.
failure-panic = El motor se detuvo de forma inesperada.
failure-engine = El motor ha fallado. Quizá no quepa en la memoria del navegador: prueba con menos imágenes.
failure-worker = Este navegador no permite que la página inicie un worker. Permítelo y vuelve a intentarlo.
failure-simd = Este navegador no tiene WebAssembly SIMD.

## A whole class together

teach-class-heading = Toda una clase junta
teach-class-idea = Abre los packs que guardaron todos los alumnos a partir de esta galería: cada clase de imágenes viene de otra mano y todas comparten un learngene. Dibújalas todas con una semilla y guárdalas como galería para cualquier servidor web.
teach-class-files = Packs (.tailor), varios a la vez; o suéltalos aquí
teach-class-folder = O elige una carpeta de packs
teach-class-table = Los packs abiertos y tus propias clases
teach-class-name = Nombre
teach-class-author = Hecho por
teach-class-size = Tamaño
teach-class-note = Nota
teach-class-remove = Una clase que no debe estar aquí se quita en «Archivos».
teach-class-draw = Dibujarlas todas
teach-class-title = Nombre de la galería
teach-class-ours = Nuestra clase
teach-class-save = Guardar como galería
teach-class-saving = Haciendo la galería…
teach-class-fine = Bien
teach-class-renamed = Bien. { $file } la llama «{ $was }», y ya hay una.
teach-class-known = Bien. Ya estaba aquí; { $file } es lo mismo.
teach-class-here = En este dispositivo
teach-class-no-pack = No se usa: no es un pack. Los packs son archivos que terminan en .tailor.
teach-class-too-large = No se usa: es más grande de lo que puede ser un pack. Pide el archivo otra vez.
teach-class-unreadable = No se usa: el navegador no puede leerlo. Cópialo a este dispositivo y ábrelo otra vez.
teach-class-damaged = No se usa: el archivo está dañado. Pídelo otra vez.
teach-class-foreign = No se usa: se enseñó con otro learngene. Ábrelo en la galería en la que se enseñó.
teach-class-too-new = No se usa: lo escribió una versión más nueva. Vuelve a cargar esta página y ábrelo otra vez.
teach-class-no-room = No se usa: este navegador no tiene sitio para guardarlo. Haz sitio en «Archivos».
teach-class-reading = Leyendo { $number } de { $all }: { $file }
teach-class-none = Todavía no hay ninguna clase tuya.
teach-class-own = { $count ->
    [one] 1 clase tuya en este dispositivo.
   *[other] { $count } clases tuyas en este dispositivo.
}
teach-class-opened = { $files ->
    [one] 1 archivo: { $joined } añadido
   *[other] { $files } archivos: { $joined } añadidos
}
teach-class-opened-known = , { $count } ya aquí
teach-class-opened-refused = , { $count } sin usar
teach-class-together = { $count ->
    [one] 1 clase en total.
   *[other] { $count } clases en total.
}
teach-class-left = { $count ->
    [one] 1 archivo más era demasiado de una vez.
   *[other] { $count } archivos más eran demasiados de una vez.
}
teach-class-most = Se dibujan a la vez las primeras { $most } de { $all }.
teach-class-saved = { $count ->
    [one] { $file } tiene 1 clase, { $bytes }. Descomprímelo en una carpeta de un servidor web y ábrelo con ?gallery= y la dirección de la carpeta. Nadie lo ha firmado.
   *[other] { $file } tiene { $count } clases, { $bytes }. Descomprímelo en una carpeta de un servidor web y ábrelo con ?gallery= y la dirección de la carpeta. Nadie lo ha firmado.
}

# The words of the page in German. English, the original, is en.ftl.

## Of every part

language-name = Deutsch
shared-decimal-mark = ,
shared-thousands-mark = .
shared-details = Einzelheiten
shared-try-again = Noch einmal versuchen
shared-no-worker = Dieser Browser lässt die Seite keinen Worker starten. Erlaube es und versuche es dann noch einmal.
shared-no-simd = Diesem Browser fehlt WebAssembly SIMD, und daraus besteht die Engine. Chrome und Edge haben es ab Version 91, Firefox ab 89, Safari ab 16.4.

## What the page is doing

waiting-server = Der Server antwortet nicht, wie er soll. Neuer Versuch in { $seconds } s…
waiting-tab = Ein anderer Tab dieser Seite lädt gerade dieselbe Datei herunter…
status-starting = Die Engine wird geladen…
status-downloading = Was diese Bilder brauchen, wird heruntergeladen…
status-sampling = Aus Rauschen werden Bilder…
status-hidden = Angehalten, solange diese Seite verdeckt ist. Es geht von selbst weiter, sobald sie wieder zu sehen ist.
status-shown-again = Dies hat gewartet, solange die Seite verdeckt war, und geht jetzt weiter.
status-again = Die Engine ist abgestürzt. Sie wurde neu gestartet und macht dieselben Bilder noch einmal…
status-ready = Bereit.
status-stopped = Angehalten.
status-question = Erst eine Frage.
status-failed = Das hat nicht geklappt.
status-done = { $what }: { $seconds } s, { $ms } ms je Schritt.
step-bytes = { $got } von { $all }
step-of = Schritt { $step } von { $all }

## Which device computes

gpu-used = Gerechnet wird auf deiner GPU ({ $name }) über WebGPU.
gpu-no-cpu = Gerechnet wird auf der CPU: { $why }.
gpu-no = Keine GPU: { $why }.
gpu-unbuilt = Gerechnet wird auf der CPU. Die Engine für deine GPU ({ $name }) wird noch gebaut; der nächste Besuch nutzt sie.
gpu-sought-cpu = Gerechnet wird auf der CPU; eine GPU wird gesucht.
gpu-sought = Eine GPU wird gesucht.
gpu-coming = Gerechnet wird auf der CPU; die Engine für deine GPU ({ $name }) lädt noch.
gpu-unwanted = Gerechnet wird auf der CPU, wie es die Adresse verlangt.
gpu-unknown = Gerechnet wird auf der CPU.
why-no-webgpu = dieser Browser hat kein WebGPU
why-no-adapter = dieser Browser hat WebGPU, aber keinen Grafikadapter dafür
why-emulated = der einzige Adapter ({ $name }) ist emuliert, und das ist langsamer
why-differs = ihre Zahlen weichen um bis zu { $furthest } von denen der CPU ab
why-beside = die Engine der CPU ist neben ihr abgestürzt
why-trial = die Engine der GPU hat ihre Probe nicht bestanden. { $why }
gpu-cannot = Die GPU ist nicht nutzbar: { $why }.
engine-unbuilt = Die WebGPU-Engine wird noch gebaut. Nimm erst einmal die CPU; der nächste Besuch findet sie.
engine-missing = Die Engine wurde nicht geladen: { $file } ist nicht auf dem Server. Wer diese Seite betreibt, kann sie mit „just site“ bauen.
engine-not-loaded = Die Engine wurde nicht geladen. Prüfe die Verbindung und versuche es dann noch einmal.
engine-again = Die Engine ist bei diesen Bildern abgestürzt. Sie wurde neu gestartet und hat sie noch einmal gemacht.
engine-handed = Die GPU ist bei diesen Bildern verloren gegangen. Die CPU hat sie gemacht.
engine-twice = Die Engine ist abgestürzt, wurde neu gestartet und ist noch einmal abgestürzt. Schließe andere Tabs oder verlange weniger Bilder, und versuche es dann noch einmal.
gpu-twice = Die GPU ist verloren gegangen, wurde noch einmal versucht und ist wieder verloren gegangen. Lass die CPU diese Bilder machen.

## Who vouches for the gallery

unsigned = nicht signiert
unsigned-own = Diese Galerie kommt von derselben Website wie diese Seite, also vertraust du ihr wie der Seite. Sie ist nicht signiert.
unsigned-nobody = Niemand hat diese Galerie signiert.
signed = signiert ✓
signed-by = Signiert vom Schlüssel mit dem Fingerabdruck { $fingerprint }, dem dieses Gerät vertraut.
signed-not-kept = signiert, nicht gemerkt
signed-by-not-kept = Signiert vom Schlüssel mit dem Fingerabdruck { $fingerprint }. Dieses Gerät hat keinen Platz, ihn sich zu merken, und fragt daher wieder.
card-heading = Wer dieses Modell gemacht hat, und woraus
card-authors = Gemacht von
card-licence = Lizenz
card-data = Daten
card-tool = Programm
vouched = Der Herausgeber hat mir gesagt, dass das so richtig ist
forgetting = Dieses Gerät vergisst dann den Schlüssel und die Version, die es gesehen hat, und macht weiter wie bei einem ersten Besuch.
forget = Gesehenes vergessen

## The frame of the page

language-label = Sprache
language-failed = Die Wörter dieser Sprache sind nicht angekommen. Prüfe die Verbindung und wähle sie dann noch einmal.
views = Ansichten
gallery = Galerie
tab-make = Bilder
tab-word = Wort
tab-apart = Zerlegen
tab-teach = Beibringen
tab-device = Dateien
close = Schließen
link-wrong = Dieser Link sagt { $parts }, und das versteht diese Seite nicht. Dieser Teil wurde weggelassen.
quoted = „{ $text }“
unknown-class = Diese Galerie hat keine Klasse „{ $class }“. Wähle eine, die sie zeigt. Hat jemand sie auf dem eigenen Gerät beigebracht, bitte um ihre Datei, und lass sie auf diese Seite fallen.
no-settings = In dieser Datei stehen keine Einstellungen. In einem Bild, das hier gespeichert wurde, stehen sie, wenn kein anderes Programm es neu geschrieben hat.
view-not-loaded = Diese Ansicht wurde nicht geladen. Prüfe die Verbindung und lade die Seite dann neu.

## The picture

progress = Fortschritt
picture-making = Bilder im Entstehen
picture-none = Noch keine Bilder
title-word = „{ $word }“, { $seeds }
caption = { $what }, { $seeds }
caption-part = { $class } zu { $percent } %
caption-mixed = { $first } mit { $second }
caption-parts = { $what }, in Teilen heruntergedreht
caption-alone = Learngene allein
caption-seed = Startwert { $seed }
caption-seeds = Startwerte { $first } bis { $last }
remedy-reload = Die Seite neu laden
remedy-cpu = Die CPU nehmen
remedy-choose = In Ordnung
remedy-trust = Diesem Schlüssel vertrauen
first-image = Dein erstes Bild: { $since } s nach dem Klick. Davon Herunterladen { $download } s, Prüfen { $verify } s, Vorbereiten { $prepare } s, Rechnen { $sample } s; der Rest sind die Seite und ihre Engine.

## Make

idea-short = Ein Modell, das sich zerlegen lässt.
idea-all = Alle Klassen teilen sich ein Learngene ({ $bytes }), das einmal heruntergeladen wird.
idea-count = Alle { $count } Klassen teilen sich ein Learngene ({ $bytes }), das einmal heruntergeladen wird.
idea = Was eine einzelne Klasse hinzufügt, ist ihr Tailor: Wähle eine Klasse, und nur dieses kleine Pack wird heruntergeladen. Jedes Bild entsteht hier, auf deinem eigenen Gerät.
classes = Klassen
several = Mehrere
search = Alle Klassen durchsuchen
not-all = Nur die bisher gezeigten Klassen lassen sich durchsuchen.
hint-coming = Die Liste aller Klassen ist unterwegs…
hint-found = Die ersten { $count } werden gezeigt: Tippe mehr.
hint-click = Ein Klick macht ein Bild dieser Klasse.
hint-too-many = { $count } gewählt; Bilder gibt es von den ersten { $most }.
hint-chosen = { $count } gewählt; dann „Erzeugen“.
here = , auf diesem Gerät
seed = Startwert
random = Zufälliger Startwert
images = Bilder
steps = Schritte
guidance = Führung
alone = Nur Learngene
alone-why = Was alle Klassen teilen, ohne das, was eine von ihnen ausmacht
generate = Erzeugen
cancel = Abbrechen
save = PNG speichern
open = Gespeichertes PNG öffnen
history = Verlauf

## Share

share = Teilen
copy = Link kopieren
link = Link zu diesem Bild
qr = QR-Code des Links
local = Der Link enthält alle Einstellungen. Wer ihn öffnet, bekommt dasselbe Bild.
local-own = Wer den Link öffnet, braucht die Datei der Klasse, die hier beigebracht wurde: Schick sie mit.
too-long = Der Link ist zu lang für einen QR-Code.
copied = Der Link ist kopiert.
not-copied = Dieser Browser lässt die Seite nicht kopieren. Markiere den Link und kopiere ihn.

## Word

word = Tippe ein Wort
word-hint = Jeden Buchstaben zeichnet sein eigener Tailor, aus einem gemeinsamen Learngene.
dials = Dreh den Tailor eines Buchstabens herunter, und das Learngene scheint durch
dial = Wie viel vom Tailor
word-teach = Bring es dem Modell bei
no-pack = Für { $sign } gibt es kein Pack.
no-packs = Für { $signs } und { $last } gibt es keine Packs.
letters-shared = { $count ->
    [one] Was von Buchstabe zu Buchstabe gleich bleibt, ist das Learngene ({ $bytes }). Was sich unterscheidet, ist der Tailor: Dieses Wort braucht einen Tailor ({ $own }). Alle Buchstaben beginnen mit demselben Rauschen; darum gleichen sich viele in Gewicht, Größe und Lage.
   *[other] Was von Buchstabe zu Buchstabe gleich bleibt, ist das Learngene ({ $bytes }). Was sich unterscheidet, ist der Tailor: Dieses Wort braucht { $count } Tailors ({ $own }). Alle Buchstaben beginnen mit demselben Rauschen; darum gleichen sich viele in Gewicht, Größe und Lage.
}

## Take apart

first-class = Klasse
second-class = Gemischt mit
nobody = keiner
parts = Teil für Teil
parts-why = Ein Tailor fügt in jeder Schicht jeder dieser Matrizen etwas hinzu, und eine Marke, die dem Netz seine Klasse sagt. Dreh eine Schicht, eine Art von Matrix oder die Marke herunter und sieh, was fehlt. Die Matrizen qkv und o sind die Aufmerksamkeit, in und out das Feed-Forward-Netz.
parts-label = Marke
parts-whole = Alles wieder aufdrehen
shown = Zeigen
show-dial = Wie die Regler sagen
show-beside = Ohne und mit Tailor, nebeneinander
show-classes = { $count } Klassen aus einem Startwert
show-classes-bytes = { $count } Klassen aus einem Startwert ({ $bytes } herunterzuladen)
showing-dial = Bei 0 % arbeitet das Learngene allein, bei 100 % mit dem ganzen Tailor. Alles andere bleibt, wie es ist.
showing-beside = Zweimal derselbe Startwert: links das Learngene allein, rechts mit dem Tailor, so weit er aufgedreht ist.
showing-classes = Derselbe Startwert für jede Klasse, mit dem eigenen Tailor der Klasse bei 100 %.
time = Schritt für Schritt
play = Abspielen
pause = Pause
back = Zurück
forward = Vor
step = Schritt
no-film = Erzeuge ein Bild, und seine Schritte lassen sich hier abspielen.
frame = Schritt { $step } von { $all }: was das Modell sieht, und das saubere Bild, das es daraus macht.
inside = Im Innern des Modells
inside-why = Jede Zelle ist eine Matrix einer Schicht. Der untere Teil gehört dem Learngene, der obere ist, was der Tailor hinzufügt, so weit sein Regler aufgedreht ist. Wähle eine Zelle, um ihre Zahlen zu sehen.
measure = Die Teile messen
layer = Schicht { $layer }
formula = Schicht { $layer }, { $matrix }: y = x·L + { $weight }·x·T + b. Die Matrix L des Learngenes hat die Norm { $shared }, die Matrix T des Tailors { $tailor }, davon wird { $own } genutzt: { $percent } % von beiden.
cell = Schicht { $layer }, { $matrix }: Learngene { $shared }, Tailor { $tailor }
bytes = Bytes
saved = Auf diesem Gerät: das Learngene und { $count } von { $all } Tailors, { $bytes }. Das ganze Modell braucht { $whole }.
saved-more = Auf diesem Gerät: das Learngene und { $count } von { $all } Tailors, { $bytes }. Das ganze Modell braucht mehr als { $whole }.

## On this device

files = Dateien
files-here = Dateien auf diesem Gerät
downloaded = Bisher heruntergeladen: { $bytes }
downloaded-parts = (Galerie { $gallery }, Seite und Engine { $code })
file-learngene = Learngene
file-tailor = Tailor { $class }
place-stored = auf diesem Gerät
place-kept = in Gebrauch, auf diesem Gerät aufbewahrt
place-not-kept = in Gebrauch, nicht aufbewahrt: kein Platz oder keine Erlaubnis
used = benutzt am { $day }
total = { $count ->
    [one] Eine Datei, { $bytes }.
   *[other] { $count } Dateien, { $bytes }.
}
room = Diese Website belegt { $used } von { $granted }, die der Browser ihr gewährt.
memory = Belegter Arbeitsspeicher: { $all }. Das Programm der Seite belegt { $page }; die Engines belegen { $engines } (Worker: { $workers }).
memory-teacher = Der Lehrer belegt { $teacher }.
memory-scripts = Die Skripte der Seite belegen { $scripts }.
memory-gpu = Was auf der GPU liegt, ist nicht mitgezählt.
kept = Bleibt hier, bis du die Daten dieser Website löschst.
may-go = Wenn auf diesem Gerät der Platz ausgeht, darf der Browser diese Dateien löschen.
keep = Behalten
remove = Von diesem Gerät entfernen
remove-file = { $file } von diesem Gerät entfernen
empty = Hier wird noch nichts aufbewahrt.

## Teach it: a program of its own

teach-heading = Eine eigene Klasse
teach-idea = Bring dem Modell eine Klasse bei, die es noch nie gesehen hat: ein Zeichen, eine Pflanze, ein Ding von dir. Was alle Klassen teilen, bleibt, wie es ist; gelernt wird nur ein kleiner Tailor, hier auf deinem Gerät.
teach-private = Nichts verlässt dieses Gerät.
teach-go-on = Weitermachen
teach-throw-away = Wegwerfen
teach-name-label = Name der Klasse
teach-loading = Der Lehrer wird noch geladen.
teach-nameless = Gib der Klasse erst einen Namen.
teach-no-pictures = Füge erst Bilder hinzu: Zeichne welche, wähle Dateien oder nimm die Kamera.
teach-one-picture = Aus einem einzigen Bild lässt sich nichts lernen. Füge mindestens noch eines hinzu; acht sind ein guter Anfang.
teach-all-equal = Alle Bilder sind gleich. Füge eines hinzu, das anders ist.
teach-no-picture = { $file } ist kein Bild, das dieser Browser lesen kann. Wähle ein PNG, JPEG, WebP, GIF oder BMP.
teach-no-camera = Es wurde keine Kamera gefunden. Schließ eine an oder wähle stattdessen Dateien.
teach-camera-refused = Diese Seite darf die Kamera nicht benutzen. Erlaube es in der Adressleiste des Browsers oder wähle stattdessen Dateien.
teach-camera-busy = Die Kamera liefert kein Bild. Schließ andere Programme, die sie benutzen, oder wähle stattdessen Dateien.
teach-camera-insecure = Browser geben eine Kamera nur Seiten, die über https kommen. Wähle stattdessen Dateien.
teach-empty-canvas = Die Zeichenfläche ist leer. Zeichne erst etwas.
teach-not-kept = Dieser Browser hat keinen Platz, um die Lektion aufzubewahren. Lass diese Seite offen, bis die Klasse gespeichert ist.
teach-too-many = Mehr als { $most } Bilder gehen nicht. Entferne eines, um ein anderes hinzuzufügen.
teach-too-large = { $file } hat { $millions } Millionen Pixel, mehr als diese Seite entpackt. Mach es erst kleiner.
teach-inverted = Jedes Bild wird umgekehrt: Aus Dunkel wird Hell.
teach-as-they-are = Gelernt wird von den Bildern, wie sie sind.
teach-bright-on-dark = Diese Galerie ist hell auf dunkel, deshalb wird dunkle Tinte auf hellem Papier umgekehrt. Sieh dir die kleinen Bilder an: Das Ding muss hell sein.
teach-dark-on-bright = Diese Galerie ist dunkel auf hell, deshalb wird helle Tinte auf dunklem Grund umgekehrt. Sieh dir die kleinen Bilder an: Das Ding muss dunkel sein.
teach-no-pictures-yet = Noch keine Bilder
teach-pictures = { $count ->
    [one] { $count } Bild
   *[other] { $count } Bilder
}
teach-few-pictures = { $count } Bilder; mit { $enough } oder mehr lernt es sich besser
teach-ready = Es kann losgehen.
teach-starting = Wird vorbereitet…
teach-step-one = Schritt { $step } von { $all } auf einem Kern
teach-step-cores = Schritt { $step } von { $all } auf { $cores } Kernen
teach-step-left = { $step }, { $left }
teach-almost = fast fertig
teach-seconds-left = noch { $seconds } Sekunden
teach-minutes-left = noch { $minutes } Minuten
teach-paused = Pause nach Schritt { $step } von { $all }.
teach-hidden = Angehalten, solange diese Seite verdeckt ist. Die Lektion geht von selbst weiter, sobald die Seite wieder zu sehen ist.
teach-shown-again = Die Lektion hat gewartet, solange die Seite verdeckt war, und geht jetzt weiter.
teach-ending = Die letzten Proben werden gezeichnet…
teach-ended = Gelernt in { $step } Schritten.
teach-saving = Das Pack wird geschrieben…
teach-made = Das Pack ist fertig.
teach-saved = Gespeichert. Die Klasse steht bei den anderen unter „Bilder“.
teach-kept-first = Eine Lektion zu „{ $name }“ ist aufgehoben. Mach mit ihr weiter oder wirf sie weg, bevor eine andere beginnt.
teach-kept = Eine Lektion zu „{ $name }“ liegt auf diesem Gerät: { $step } von { $all } Schritten sind gemacht.
teach-near = { $far }, fast eine Kopie
teach-close = { $far }, ähnlich
teach-far = { $far }, keine Kopie
teach-pack-kept = Das Pack von „{ $name }“ hat { $size } kB. Es wird in diesem Browser aufbewahrt.
teach-pack-not-kept = Das Pack von „{ $name }“ hat { $size } kB. Dieser Browser konnte es nicht aufbewahren: Speichere es jetzt als Datei.
teach-not-loaded = Der Lehrer wurde nicht geladen. Prüfe die Verbindung und versuche es dann noch einmal.
teach-broke-down = Der Lehrer ist abgestürzt. Was bis vor ein paar Sekunden gelernt wurde, ist aufbewahrt.
teach-again-from = Der Lehrer ist abgestürzt und wurde neu gestartet. Die Lektion geht nach Schritt { $step } weiter.
teach-draw = Zeichnen
teach-canvas = Fläche zum Zeichnen; Dateien und Kamera leisten dasselbe ohne Zeiger
teach-thickness = Strichstärke
teach-undo = Rückgängig
teach-clear = Leeren
teach-add = Zeichnung hinzufügen
teach-files = Dateien wählen
teach-files-label = Bilder von diesem Gerät, auch mehrere auf einmal; oder zieh sie hierher
teach-camera = Kamera
teach-camera-sees = Was die Kamera sieht
teach-take = Ein Bild aufnehmen
teach-camera-off = Kamera ausschalten
teach-camera-on = Kamera einschalten
teach-bright-dark = Hell und dunkel
teach-automatic = Automatisch
teach-never-inverted = Wie sie sind
teach-always-inverted = Umgekehrt
teach-mirror = Gespiegelt ist es immer noch dasselbe (nicht bei Buchstaben)
teach-picture = Bild { $number }
teach-remove-picture = Bild { $number } entfernen
teach-more = Mehr
teach-steps = Schritte
teach-from = Anfangen mit
teach-from-nothing = nichts
teach-begin = Beibringen
teach-progress = Fortschritt der Lektion
teach-pause = Pause
teach-stop = Gut genug, aufhören
teach-loss = Der Fehler sinkt mit den Schritten
teach-error = Fehler
teach-without = Ohne deine Klasse: das Learngene allein
teach-with = Mit deiner Klasse, nach { $step } Schritten
teach-nearest = Zu jedem dein ähnlichstes Bild: Ist es nur kopiert?
teach-four = Vier Bilder aus vier Startwerten
teach-nearest-pictures = Die nächstgelegenen Bilder
teach-save = Die Klasse speichern
teach-card-name = Name
teach-card-author = Gemacht von (darf leer bleiben)
teach-card-licence = Lizenz, etwa CC0-1.0 oder CC-BY-4.0 (darf leer bleiben)
teach-make = Bilder davon machen
teach-download = Als Datei speichern
teach-another = Noch eine Klasse beibringen

## What stands there before the program has come: index.html and start.js

static-lede = Ein <b class="learngene">Learngene</b> enthält, was alle Klassen teilen, und ein kleiner <b class="tailor">Tailor</b> fügt hinzu, was eine Klasse ausmacht. Lade das Learngene einmal und nur die Tailors, die du willst: Jedes Bild entsteht hier, in deinem Browser.
static-galleries = Galerien
static-letters = Buchstaben
static-letters-first = Buchstaben, erste Fassung
static-fashion = Mode
static-avatars = Gesichter
static-icons = Symbole
static-about = Was ist das?
static-what = Ein Modell, das aus Rauschen Bilder macht und sich zerlegen lässt. Es läuft in deinem Browser; nichts, was du machst, wird irgendwohin geschickt.
static-learngene = was alle Klassen teilen: der große Teil, einmal heruntergeladen.
static-tailor = was eine Klasse, etwa der Buchstabe A, zum Learngene hinzufügt.
static-pack = die kleine Datei, in der ein Tailor kommt.
static-gallery-term = Galerie
static-gallery = ein Ordner im Netz mit einem Learngene und den Packs, die dazugehören.
static-kind = die Art, wie so ein Modell trainiert wird: <a href="https://proceedings.mlr.press/v267/xie25d.html">Knowledge Integration and Diversion</a> (ICML 2025).
static-credits = Die Gesichter sind nach Stilen von Lisa Wischofsky, The Visual Team, Ashley Seo, vijay verma, Natalia Spivak, Davis Uche, Micah Lanier, Webpixels, Draftbit und Johan Melin gezeichnet (<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>; Farben, Ausschnitt und Auswahl der Teile geändert) und nach solchen von Zoish, Pablo Stanley und DiceBear (CC0).
static-loading = Lädt…
static-slow = Lädt noch: Das Programm der Seite ist noch nicht da. Wenn es nicht kommt, lade die Seite neu.
static-sandbox = Diese Seite steht in einem Rahmen, der von ihrer eigenen Website abgeschnitten ist („sandbox“ ohne „allow-same-origin“), deshalb gibt der Browser ihr ihre Dateien nicht. Öffne sie in einem eigenen Tab: { $address }
static-not-arrived = Die Datei { $file } ist nicht angekommen. Prüfe die Verbindung und lade die Seite dann neu.
static-not-there = Die Datei { $file } gibt es auf diesem Server nicht (Status { $status }). Wer die Seite betreibt, sollte alle Dateien aus dem Ordner des Studios dorthin legen.
static-type = Dieser Server schickt die Datei { $file } als „{ $type }“, und Browser führen sie nur als „text/javascript“ aus. Wer die Seite betreibt, kann diesen Typ für Dateien einstellen, die auf .js enden.
static-opened-as-file = Diese Seite wurde als Datei geöffnet, und Browser laden Programme nur von Webservern. Starte im Ordner der Seite einen Server, mit „tailor serve galleries/letters2 --site .“ oder „python3 -m http.server“, und öffne die Adresse, die er ausgibt.
static-no-wasm = Dieser Browser hat kein WebAssembly, oder es ist abgeschaltet. Die Seite macht damit ihre Bilder.
static-policy = Die Sicherheitsregeln dieser Website verbieten WebAssembly, mit dem die Seite ihre Bilder macht. Wer die Seite betreibt, kann es erlauben: „script-src“ braucht „'wasm-unsafe-eval'“.
static-no-simd = Diesem Browser fehlt WebAssembly SIMD, und daraus besteht die Seite. Chrome und Edge haben es ab Version 91, Firefox ab 89, Safari ab 16.4.
static-not-started = Das Programm der Seite ist nicht gestartet. Lade die Seite neu. ({ $error })

## What the engine says has gone wrong, by its code. English has the engine's own words

failure-address = „{ $subject }“ ist keine Adresse einer Galerie: Es muss ein Ordner auf einem Webserver sein.
failure-memory = Die Datei { $subject } passt nicht in den Speicher dieses Browsers. Schließ andere Seiten und versuche es dann noch einmal.
failure-missing = { $subject } wurde nicht heruntergeladen: Sie ist nicht auf dem Server. Vielleicht wird die Galerie gerade neu veröffentlicht; versuche es in einer Minute noch einmal.
failure-forbidden = { $subject } wurde nicht heruntergeladen: Der Server gibt sie nicht heraus. Frag den Herausgeber der Galerie.
failure-status = { $subject } wurde nicht heruntergeladen: Der Server hat mit einem unerwarteten Status geantwortet. Frag den Herausgeber der Galerie.
failure-busy = { $subject } wurde nicht heruntergeladen: Der Server ist überlastet oder gestört. Versuche es später noch einmal.
failure-later = { $subject } wurde nicht heruntergeladen: Der Server bittet darum, später wiederzukommen. Versuche es dann noch einmal.
failure-web-page = { $subject } wurde nicht heruntergeladen: Statt der Datei kam eine Webseite. Vielleicht steht eine Anmeldung davor, oder die Adresse stimmt nicht.
failure-elsewhere = { $subject } wurde nicht heruntergeladen: Der Server schickt zu einer anderen Website weiter. Wenn die Galerie jetzt dort ist, nimm deren Adresse.
failure-encoded = { $subject } wurde nicht heruntergeladen: Der Server schickt sie komprimiert und damit nicht so, wie sie ist. Frag den Herausgeber der Galerie.
failure-wrong-length = { $subject } wurde nicht heruntergeladen: Auf dem Server hat sie eine andere Länge, als der Index sagt. Versuche es in einer Minute noch einmal, und frag dann den Herausgeber.
failure-damaged = { $subject } wurde nicht heruntergeladen: Ein Teil kam immer wieder beschädigt an. Versuche es in einer Minute noch einmal, und frag dann den Herausgeber.
failure-unreachable = { $subject } wurde nicht heruntergeladen: Der Server ist nicht zu erreichen. Dieses Gerät ist vielleicht offline, oder der Server lässt diese Seite nicht lesen (CORS).
failure-stalled = { $subject } wurde nicht heruntergeladen: Der Server hat aufgehört zu senden. Prüfe die Verbindung und versuche es noch einmal.
failure-broken = { $subject } wurde nicht heruntergeladen: Die Verbindung ist mehrmals abgebrochen. Prüfe sie und versuche es noch einmal.
failure-too-large = { $subject } wurde nicht heruntergeladen: Sie ist größer, als so eine Datei sein darf. Frag den Herausgeber der Galerie.
failure-version-too-new = Die Galerie ist von einer neueren Version von tailor, als diese Seite versteht. Lade die Seite neu.
failure-index-expired = Die Galerie wurde nicht geöffnet: Ihr Index ist abgelaufen. Lade ihn neu, prüfe die Uhr dieses Geräts oder bitte den Herausgeber um einen neuen.
failure-index-rolled-back = Die Galerie wurde nicht geöffnet: Ihr Index ist älter als einer, den dieses Gerät schon gesehen hat. Lade ihn ohne Zwischenspeicher neu.
failure-signature-missing = Die Galerie wurde nicht geöffnet: Sie muss signiert sein und ist es nicht mehr. Lade sie neu oder bitte den Herausgeber, sie zu signieren.
failure-signature-invalid = Die Galerie wurde nicht geöffnet: Ihre Signatur passt nicht zu ihrem Index. Lade beide neu.
failure-wrong-key = Die Galerie wurde nicht geöffnet: Sie ist mit einem anderen Schlüssel signiert als dem, dem dieses Gerät vertraut. Vertraue dem neuen nur, wenn der Herausgeber sagt, dass es seiner ist.
failure-index-replaced = Die Galerie wurde nicht geöffnet: Ihr Index hat die Version eines früheren, aber anderen Inhalt. Lade ihn ohne Zwischenspeicher neu, oder bitte den Herausgeber um eine höhere Version.
failure-other-gallery = Die Galerie wurde nicht geöffnet: An dieser Adresse war vorher eine andere. Prüfe die Adresse.
failure-index-refused = Die Galerie wurde nicht geöffnet: Ihr Index ist nicht brauchbar.
failure-first-use = Diese Galerie ist signiert. Frag ihren Herausgeber, ob der Fingerabdruck seines Schlüssels { $subject } ist; wenn ja, vertraue ihm, und dieses Gerät nimmt von da an keinen anderen an.
failure-wrong-learngene = Die Datei { $subject } gehört zu einem anderen Learngene, deshalb wurde sie nicht verwendet.
failure-digest-mismatch = Die Datei { $subject } ist nicht, was diese Galerie verspricht, deshalb wurde sie nicht verwendet.
failure-truncated = Die Datei { $subject } hört zu früh auf, deshalb wurde sie nicht verwendet.
failure-pack-refused = Die Datei { $subject } ist nicht, was diese Galerie verspricht, deshalb wurde sie nicht verwendet.
failure-latents = Das Modell dieser Galerie macht Latents mit { $subject } Kanälen, aus denen erst ein Autoencoder Bilder macht; den hat diese Seite nicht. Zeichne mit der Befehlszeile: tailor sample --autoencoder.
failure-unknown-class = Diese Galerie hat keine Klasse „{ $subject }“. Wähle eine, die sie zeigt. Hat jemand sie auf dem eigenen Gerät beigebracht, bitte um ihre Datei, und lass sie auf diese Seite fallen.
failure-unknown-sampler = Die Galerie wurde für eine andere Version von tailor gemacht.
failure-model = Das kann das Modell nicht. Vielleicht passt die Zahl der Schritte nicht zum Sampler: Versuche 4.
failure-teaching = Diese Klasse lässt sich nicht beibringen.
failure-no-gallery = Es ist keine Galerie offen. Öffne erst eine.
failure-device = Die GPU ist nicht nutzbar.
failure-read-back = Die Bilder ließen sich nicht zurücklesen.
failure-not-finite = In den Bildern stehen Werte, die keine Zahlen sind. Ein anderer Startwert oder weniger Führung kann helfen.
failure-message = Seite und Engine sind von verschiedenen Versionen.
failure-cancelled = Angehalten.
failure-panic = Die Engine hat unerwartet aufgehört.
failure-engine = Die Engine ist abgestürzt. Vielleicht passt das nicht in den Speicher des Browsers: Versuche es mit weniger Bildern.
failure-worker = Dieser Browser lässt die Seite keinen Worker starten. Erlaube es und versuche es dann noch einmal.
failure-simd = Diesem Browser fehlt WebAssembly SIMD.

## A whole class together

teach-class-heading = Eine ganze Klasse zusammen
teach-class-idea = Öffne die Packs, die alle Schüler aus dieser Galerie gespeichert haben: Jede Bilderklasse kommt von anderer Hand, und alle teilen ein Learngene. Zeichne sie alle aus einem Startwert, und speichere sie als Galerie für jeden Webserver.
teach-class-files = Packs (.tailor), mehrere auf einmal; oder lege sie hier ab
teach-class-folder = Oder wähle einen Ordner mit Packs
teach-class-table = Die geöffneten Packs und deine eigenen Klassen
teach-class-name = Name
teach-class-author = Gemacht von
teach-class-size = Größe
teach-class-note = Hinweis
teach-class-remove = Eine Klasse, die nicht hierher gehört, wird unter „Dateien“ entfernt.
teach-class-draw = Alle zeichnen
teach-class-title = Name der Galerie
teach-class-ours = Unsere Klasse
teach-class-save = Als Galerie speichern
teach-class-saving = Die Galerie wird gemacht…
teach-class-fine = In Ordnung
teach-class-renamed = In Ordnung. In { $file } heißt sie „{ $was }“, und die gibt es schon.
teach-class-known = In Ordnung. Sie war schon hier; { $file } ist dasselbe.
teach-class-here = Auf diesem Gerät
teach-class-no-pack = Nicht verwendet: Das ist kein Pack. Packs sind Dateien, die auf .tailor enden.
teach-class-too-large = Nicht verwendet: Die Datei ist größer, als ein Pack sein kann. Bitte noch einmal um die Datei.
teach-class-unreadable = Nicht verwendet: Der Browser kann die Datei nicht lesen. Kopiere sie auf dieses Gerät und öffne sie dann noch einmal.
teach-class-damaged = Nicht verwendet: Die Datei ist beschädigt. Bitte noch einmal darum.
teach-class-foreign = Nicht verwendet: Sie gehört zu einem anderen Learngene. Öffne sie in der Galerie, aus der sie kommt.
teach-class-too-new = Nicht verwendet: Eine neuere Version hat sie geschrieben. Lade diese Seite neu und öffne die Datei dann noch einmal.
teach-class-no-room = Nicht verwendet: Dieser Browser hat keinen Platz dafür. Schaffe Platz unter „Dateien“.
teach-class-reading = { $number } von { $all } wird gelesen: { $file }
teach-class-none = Noch keine eigene Klasse.
teach-class-own = { $count ->
    [one] 1 eigene Klasse auf diesem Gerät.
   *[other] { $count } eigene Klassen auf diesem Gerät.
}
teach-class-opened = { $files ->
    [one] 1 Datei: { $joined } hinzugekommen
   *[other] { $files } Dateien: { $joined } hinzugekommen
}
teach-class-opened-known = , { $count } schon hier
teach-class-opened-refused = , { $count } nicht verwendet
teach-class-together = { $count ->
    [one] 1 Klasse zusammen.
   *[other] { $count } Klassen zusammen.
}
teach-class-left = { $count ->
    [one] 1 weitere Datei war auf einmal zu viel.
   *[other] { $count } weitere Dateien waren auf einmal zu viele.
}
teach-class-most = Die ersten { $most } von { $all } werden auf einmal gezeichnet.
teach-class-saved = { $count ->
    [one] { $file } hat 1 Klasse, { $bytes }. Entpacke sie in einen Ordner eines Webservers und öffne sie dann mit ?gallery= und der Adresse des Ordners. Niemand hat sie signiert.
   *[other] { $file } hat { $count } Klassen, { $bytes }. Entpacke sie in einen Ordner eines Webservers und öffne sie dann mit ?gallery= und der Adresse des Ordners. Niemand hat sie signiert.
}

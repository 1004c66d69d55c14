/* A libcuda.so.1 in plain memory, so that NVIDIA's own binding and pycuda can be driven end to end
 * on a machine without a GPU.
 *
 * It proves which driver functions our code calls, with which arguments, in which order, in which
 * threads, and what our code makes of each status. It says NOTHING about a GPU: work runs at once,
 * in the calling thread; times are counted, not measured; the rules below are those of the CUDA
 * driver API's documentation, as far as our calls touch them, and no more.
 *
 * Rules that are kept: cuInit first; a context current in the calling thread; the primary context
 * counted and its objects gone with the last release; handles and addresses checked; nothing runs
 * while it is captured; a thread-local capture is broken by its own thread alone, a global one by
 * any; what was captured runs only from an instantiated graph; an event has to be recorded before
 * it is read.
 *
 * EDGERT_STUB_LOG      file that gets a line for each call
 * EDGERT_STUB_DEVICES  how many devices there are, 1
 * EDGERT_STUB_BYTES    memory of the device, 64 MiB; device and pinned memory share it
 * EDGERT_STUB_FAIL     "cuGraphUpload=2,cuMemAlloc=4711": these calls give that status
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int status_t;
typedef uint64_t address_t;

enum {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  INVALID_HANDLE = 400,
  ILLEGAL_STATE = 401,
  NOT_FOUND = 500,
  CONTEXT_IS_DESTROYED = 709,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  CAPTURE_WRONG_THREAD = 908,
};

enum { MODE_GLOBAL = 0, MODE_THREAD_LOCAL = 1, MODE_RELAXED = 2 };
enum { HOST_DEVICEMAP = 2 };
enum { STACK = 1024 };

/* Where device memory seems to lie: nowhere that this program could reach. */
static const address_t DEVICE_OFFSET = (address_t)1 << 46;

static const struct {
  int code;
  const char *name, *words;
} CODES[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {401, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "system has unsupported display driver / cuda driver combination"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
     "attempt to terminate a thread-local capture sequence from another thread"},
};

enum kind { MEMORY = 1, PINNED, STREAM, GRAPH, EXEC, EVENT };

/* Work: a copy between two host pointers, or an event that is reached. */
struct work {
  unsigned char *to;
  const unsigned char *from;
  size_t size;
  struct object *event;
};

struct object {
  enum kind kind;
  struct object *next;
  unsigned char *bytes; /* MEMORY, PINNED */
  size_t size;
  unsigned flags;
  struct object *captured; /* STREAM: the graph under capture */
  int mode, lost, owner;   /* STREAM: of that capture */
  struct work work[64];    /* GRAPH, EXEC */
  int count;
  double reached_ms; /* EVENT; negative: never */
};

struct context {
  int references;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects; /* all that is alive */
static struct context primary; /* one device's; the others can't be opened */
static int initialized, threads;
static double clock_ms;
static size_t used;
static __thread int thread_number;
static __thread struct context *current[STACK];
static __thread int depth;

/* What every call begins with. */

static int this_thread(void) {
  if (!thread_number) thread_number = __atomic_add_fetch(&threads, 1, __ATOMIC_SEQ_CST);
  return thread_number;
}

static void note(const char *format, ...) {
  const char *path = getenv("EDGERT_STUB_LOG");
  FILE *file = path ? fopen(path, "a") : NULL;
  if (!file) return;
  va_list arguments;
  va_start(arguments, format);
  fprintf(file, "%d ", this_thread());
  vfprintf(file, format, arguments);
  fputc('\n', file);
  va_end(arguments);
  fclose(file);
}

static status_t injected(const char *call) {
  const char *found = getenv("EDGERT_STUB_FAIL");
  size_t length = strlen(call);
  while (found && *found) {
    if (!strncmp(found, call, length) && found[length] == '=') return atoi(found + length + 1);
    found = strchr(found, ',');
    if (found) found++;
  }
  return SUCCESS;
}

static status_t ready(const char *call) {
  status_t status = injected(call);
  if (status) return status;
  return initialized ? SUCCESS : NOT_INITIALIZED;
}

static status_t in_context(const char *call) {
  status_t status = ready(call);
  if (status) return status;
  if (!depth || !current[depth - 1]) return INVALID_CONTEXT;
  return current[depth - 1]->references ? SUCCESS : CONTEXT_IS_DESTROYED;
}

#define BEGIN(check, name, ...)            \
  pthread_mutex_lock(&lock);               \
  note(name __VA_ARGS__);                  \
  status_t status = check(name);           \
  if (status) return finished(status)

static status_t finished(status_t status) {
  pthread_mutex_unlock(&lock);
  return status;
}

/* Objects. */

static struct object *made(enum kind kind) {
  struct object *object = calloc(1, sizeof *object);
  object->kind = kind;
  object->next = objects;
  objects = object;
  return object;
}

static int alive(const void *handle, enum kind kind) {
  for (struct object *object = objects; object; object = object->next)
    if (object == handle) return object->kind == kind;
  return 0;
}

static void destroyed(struct object *object) {
  for (struct object **link = &objects; *link; link = &(*link)->next)
    if (*link == object) {
      *link = object->next;
      break;
    }
  if (object->bytes) used -= object->size;
  free(object->bytes);
  free(object);
}

static struct object *found_by_bytes(const unsigned char *bytes, enum kind kind) {
  for (struct object *object = objects; object; object = object->next)
    if (object->kind == kind && object->bytes == bytes) return object;
  return NULL;
}

/* The memory behind a device address, or NULL where the device may not reach. */
static unsigned char *reached(address_t address, size_t size) {
  for (struct object *object = objects; object; object = object->next) {
    int visible = object->kind == MEMORY || (object->kind == PINNED && object->flags);
    address_t start = (address_t)(uintptr_t)object->bytes + DEVICE_OFFSET;
    if (visible && address >= start && address + size <= start + object->size)
      return object->bytes + (address - start);
  }
  return NULL;
}

static size_t limit_bytes(void) {
  const char *text = getenv("EDGERT_STUB_BYTES");
  return text ? strtoull(text, NULL, 10) : (size_t)64 << 20;
}

static int device_count(void) {
  const char *text = getenv("EDGERT_STUB_DEVICES");
  return text ? atoi(text) : 1;
}

/* Captures. */

/* An allocation, which no graph can hold: it breaks the captures that forbid it here. */
static status_t unsafe_call(void) {
  status_t status = SUCCESS;
  for (struct object *object = objects; object; object = object->next) {
    if (object->kind != STREAM || !object->captured || object->mode == MODE_RELAXED) continue;
    if (object->mode == MODE_THREAD_LOCAL && object->owner != this_thread()) continue;
    object->lost = 1;
    status = CAPTURE_UNSUPPORTED;
  }
  return status;
}

static void perform(struct work work) {
  if (work.event)
    work.event->reached_ms = clock_ms += 1.5;
  else
    memmove(work.to, work.from, work.size);
}

static status_t queued(struct object *stream, struct work work) {
  if (!stream->captured) {
    perform(work);
    return SUCCESS;
  }
  if (stream->lost) return CAPTURE_INVALIDATED;
  if (stream->captured->count == 64) return OUT_OF_MEMORY;
  stream->captured->work[stream->captured->count++] = work;
  return SUCCESS;
}

/* The driver and its devices. */

status_t cuInit(unsigned flags) {
  BEGIN(injected, "cuInit", " %u", flags);
  if (device_count() < 1) return finished(NO_DEVICE);
  initialized = 1;
  return finished(SUCCESS);
}

status_t cuDriverGetVersion(int *version) {
  BEGIN(injected, "cuDriverGetVersion", "");
  *version = 12060;
  return finished(SUCCESS);
}

status_t cuDeviceGetCount(int *count) {
  BEGIN(ready, "cuDeviceGetCount", "");
  *count = device_count();
  return finished(SUCCESS);
}

status_t cuDeviceGet(int *device, int ordinal) {
  BEGIN(ready, "cuDeviceGet", " %d", ordinal);
  if (ordinal < 0 || ordinal >= device_count()) return finished(INVALID_DEVICE);
  *device = ordinal;
  return finished(SUCCESS);
}

status_t cuDeviceGetName(char *name, int length, int device) {
  BEGIN(ready, "cuDeviceGetName", " %d", device);
  snprintf(name, (size_t)length, "a stub, no GPU");
  return finished(SUCCESS);
}

status_t cuDeviceTotalMem_v2(size_t *bytes, int device) {
  BEGIN(ready, "cuDeviceTotalMem", " %d", device);
  *bytes = limit_bytes();
  return finished(SUCCESS);
}

status_t cuDeviceGetAttribute(int *value, int attribute, int device) {
  BEGIN(ready, "cuDeviceGetAttribute", " %d %d", attribute, device);
  switch (attribute) {
    case 16: *value = 4; break;  /* MULTIPROCESSOR_COUNT */
    case 18: *value = 1; break;  /* INTEGRATED */
    case 75: *value = 8; break;  /* COMPUTE_CAPABILITY_MAJOR */
    case 76: *value = 7; break;  /* COMPUTE_CAPABILITY_MINOR */
    default: return finished(INVALID_VALUE);
  }
  return finished(SUCCESS);
}

status_t cuDeviceComputeCapability(int *major, int *minor, int device) {
  BEGIN(ready, "cuDeviceComputeCapability", " %d", device);
  *major = 8, *minor = 7;
  return finished(SUCCESS);
}

/* The primary context. */

status_t cuDevicePrimaryCtxRetain(struct context **context, int device) {
  BEGIN(ready, "cuDevicePrimaryCtxRetain", " %d", device);
  primary.references++;
  *context = &primary;
  return finished(SUCCESS);
}

status_t cuDevicePrimaryCtxRelease_v2(int device) {
  BEGIN(ready, "cuDevicePrimaryCtxRelease", " %d", device);
  if (!primary.references) return finished(INVALID_CONTEXT);
  int left = 0;
  for (struct object *object = objects; object; object = object->next) left++;
  note("left %d", left);
  if (--primary.references == 0)
    while (objects) destroyed(objects);
  return finished(SUCCESS);
}

status_t cuCtxSetCurrent(struct context *context) {
  BEGIN(ready, "cuCtxSetCurrent", " %d", context != NULL);
  if (!depth) depth = 1;
  current[depth - 1] = context;
  return finished(SUCCESS);
}

status_t cuCtxPushCurrent_v2(struct context *context) {
  BEGIN(ready, "cuCtxPushCurrent", "");
  if (depth == STACK) return finished(OUT_OF_MEMORY);
  current[depth++] = context;
  return finished(SUCCESS);
}

status_t cuCtxPopCurrent_v2(struct context **context) {
  BEGIN(ready, "cuCtxPopCurrent", "");
  if (!depth) return finished(INVALID_CONTEXT);
  *context = current[--depth];
  return finished(SUCCESS);
}

/* What pycuda calls for a context that is dropped without its `detach`; not for a primary one. */
status_t cuCtxDetach(struct context *context) {
  BEGIN(ready, "cuCtxDetach", "");
  return finished(context == &primary ? INVALID_CONTEXT : SUCCESS);
}

status_t cuCtxSynchronize(void) {
  BEGIN(in_context, "cuCtxSynchronize", "");
  return finished(SUCCESS);
}

/* Memory. */

static status_t allocated(enum kind kind, size_t size, unsigned flags, struct object **object) {
  if (!size) return INVALID_VALUE;
  status_t status = unsafe_call();
  if (status) return status;
  if (size > limit_bytes() - used) return OUT_OF_MEMORY;
  unsigned char *bytes = aligned_alloc(256, (size + 255) / 256 * 256);
  if (!bytes) return OUT_OF_MEMORY;
  memset(bytes, 0xCD, size);
  *object = made(kind);
  (*object)->bytes = bytes, (*object)->size = size, (*object)->flags = flags;
  used += size;
  return SUCCESS;
}

status_t cuMemGetInfo_v2(size_t *left, size_t *total) {
  BEGIN(in_context, "cuMemGetInfo", "");
  *total = limit_bytes();
  *left = *total - used;
  return finished(SUCCESS);
}

status_t cuMemAlloc_v2(address_t *address, size_t size) {
  BEGIN(in_context, "cuMemAlloc", " %zu", size);
  struct object *object;
  status = allocated(MEMORY, size, 0, &object);
  if (!status) *address = (address_t)(uintptr_t)object->bytes + DEVICE_OFFSET;
  return finished(status);
}

status_t cuMemFree_v2(address_t address) {
  BEGIN(in_context, "cuMemFree", "");
  struct object *object =
      found_by_bytes((unsigned char *)(uintptr_t)(address - DEVICE_OFFSET), MEMORY);
  if (!object) return finished(INVALID_VALUE);
  destroyed(object);
  return finished(SUCCESS);
}

status_t cuMemHostAlloc(void **bytes, size_t size, unsigned flags) {
  BEGIN(in_context, "cuMemHostAlloc", " %zu %u", size, flags);
  struct object *object;
  status = allocated(PINNED, size, flags & HOST_DEVICEMAP, &object);
  if (!status) *bytes = object->bytes;
  return finished(status);
}

status_t cuMemHostGetDevicePointer_v2(address_t *address, void *bytes, unsigned flags) {
  BEGIN(in_context, "cuMemHostGetDevicePointer", " %u", flags);
  struct object *object = found_by_bytes(bytes, PINNED);
  if (!object || !object->flags) return finished(INVALID_VALUE);
  *address = (address_t)(uintptr_t)bytes + DEVICE_OFFSET;
  return finished(SUCCESS);
}

status_t cuMemFreeHost(void *bytes) {
  BEGIN(in_context, "cuMemFreeHost", "");
  struct object *object = found_by_bytes(bytes, PINNED);
  if (!object) return finished(INVALID_VALUE);
  destroyed(object);
  return finished(SUCCESS);
}

/* Streams. */

status_t cuStreamCreate(struct object **stream, unsigned flags) {
  BEGIN(in_context, "cuStreamCreate", " %u", flags);
  *stream = made(STREAM);
  return finished(SUCCESS);
}

status_t cuStreamSynchronize(struct object *stream) {
  BEGIN(in_context, "cuStreamSynchronize", "");
  if (!alive(stream, STREAM)) return finished(INVALID_HANDLE);
  if (!stream->captured) return finished(SUCCESS);
  stream->lost = 1;
  return finished(CAPTURE_UNSUPPORTED);
}

status_t cuStreamDestroy_v2(struct object *stream) {
  BEGIN(in_context, "cuStreamDestroy", "");
  if (!alive(stream, STREAM)) return finished(INVALID_HANDLE);
  if (stream->captured) destroyed(stream->captured);
  destroyed(stream);
  return finished(SUCCESS);
}

static status_t copied(struct object *stream, unsigned char *to, const unsigned char *from,
                       size_t size) {
  if (!alive(stream, STREAM)) return INVALID_HANDLE;
  if (!to || !from) return INVALID_VALUE;
  return queued(stream, (struct work){.to = to, .from = from, .size = size});
}

status_t cuMemcpyHtoDAsync_v2(address_t to, const void *from, size_t size,
                              struct object *stream) {
  BEGIN(in_context, "cuMemcpyHtoDAsync", " %zu", size);
  return finished(copied(stream, reached(to, size), from, size));
}

status_t cuMemcpyDtoHAsync_v2(void *to, address_t from, size_t size, struct object *stream) {
  BEGIN(in_context, "cuMemcpyDtoHAsync", " %zu", size);
  return finished(copied(stream, to, reached(from, size), size));
}

/* Graphs. */

status_t cuStreamBeginCapture_v2(struct object *stream, int mode) {
  BEGIN(in_context, "cuStreamBeginCapture", " %d", mode);
  if (!alive(stream, STREAM)) return finished(INVALID_HANDLE);
  if (stream->captured) return finished(ILLEGAL_STATE);
  stream->captured = made(GRAPH);
  stream->mode = mode, stream->lost = 0, stream->owner = this_thread();
  return finished(SUCCESS);
}

status_t cuStreamEndCapture(struct object *stream, struct object **graph) {
  BEGIN(in_context, "cuStreamEndCapture", "");
  *graph = NULL;
  if (!alive(stream, STREAM)) return finished(INVALID_HANDLE);
  if (!stream->captured) return finished(ILLEGAL_STATE);
  if (stream->mode == MODE_THREAD_LOCAL && stream->owner != this_thread())
    return finished(CAPTURE_WRONG_THREAD);
  struct object *captured = stream->captured;
  stream->captured = NULL;
  if (stream->lost) {
    destroyed(captured);
    return finished(CAPTURE_INVALIDATED);
  }
  *graph = captured;
  return finished(SUCCESS);
}

status_t cuGraphGetNodes(struct object *graph, void **nodes, size_t *count) {
  BEGIN(ready, "cuGraphGetNodes", " %d", nodes != NULL);
  if (!alive(graph, GRAPH)) return finished(INVALID_HANDLE);
  *count = (size_t)graph->count;
  return finished(SUCCESS);
}

status_t cuGraphInstantiateWithFlags(struct object **exec, struct object *graph,
                                     unsigned long long flags) {
  BEGIN(in_context, "cuGraphInstantiate", " %llu", flags);
  if (!alive(graph, GRAPH)) return finished(INVALID_HANDLE);
  *exec = made(EXEC);
  memcpy((*exec)->work, graph->work, sizeof graph->work);
  (*exec)->count = graph->count;
  return finished(SUCCESS);
}

status_t cuGraphUpload(struct object *exec, struct object *stream) {
  BEGIN(in_context, "cuGraphUpload", "");
  if (!alive(exec, EXEC) || !alive(stream, STREAM)) return finished(INVALID_HANDLE);
  return finished(SUCCESS);
}

status_t cuGraphLaunch(struct object *exec, struct object *stream) {
  BEGIN(in_context, "cuGraphLaunch", "");
  if (!alive(exec, EXEC) || !alive(stream, STREAM)) return finished(INVALID_HANDLE);
  for (int i = 0; i < exec->count && !status; i++) status = queued(stream, exec->work[i]);
  return finished(status);
}

status_t cuGraphExecDestroy(struct object *exec) {
  BEGIN(in_context, "cuGraphExecDestroy", "");
  if (!alive(exec, EXEC)) return finished(INVALID_HANDLE);
  destroyed(exec);
  return finished(SUCCESS);
}

status_t cuGraphDestroy(struct object *graph) {
  BEGIN(ready, "cuGraphDestroy", "");
  if (!alive(graph, GRAPH)) return finished(INVALID_HANDLE);
  destroyed(graph);
  return finished(SUCCESS);
}

/* Events. */

status_t cuEventCreate(struct object **event, unsigned flags) {
  BEGIN(in_context, "cuEventCreate", " %u", flags);
  *event = made(EVENT);
  (*event)->reached_ms = -1;
  return finished(SUCCESS);
}

status_t cuEventRecord(struct object *event, struct object *stream) {
  BEGIN(in_context, "cuEventRecord", "");
  if (!alive(event, EVENT) || !alive(stream, STREAM)) return finished(INVALID_HANDLE);
  return finished(queued(stream, (struct work){.event = event}));
}

status_t cuEventSynchronize(struct object *event) {
  BEGIN(in_context, "cuEventSynchronize", "");
  return finished(alive(event, EVENT) ? SUCCESS : INVALID_HANDLE);
}

status_t cuEventElapsedTime_v2(float *elapsed_ms, struct object *start, struct object *end) {
  BEGIN(in_context, "cuEventElapsedTime", "");
  if (!alive(start, EVENT) || !alive(end, EVENT)) return finished(INVALID_HANDLE);
  if (start->reached_ms < 0 || end->reached_ms < 0) return finished(INVALID_HANDLE);
  *elapsed_ms = (float)(end->reached_ms - start->reached_ms);
  return finished(SUCCESS);
}

status_t cuEventElapsedTime(float *elapsed_ms, struct object *start, struct object *end) {
  return cuEventElapsedTime_v2(elapsed_ms, start, end);
}

status_t cuEventDestroy_v2(struct object *event) {
  BEGIN(in_context, "cuEventDestroy", "");
  if (!alive(event, EVENT)) return finished(INVALID_HANDLE);
  destroyed(event);
  return finished(SUCCESS);
}

/* Words for codes, and how a binding finds all this. */

status_t cuGetErrorName(status_t code, const char **name) {
  for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
    if (CODES[i].code == code) return *name = CODES[i].name, SUCCESS;
  return *name = NULL, INVALID_VALUE;
}

status_t cuGetErrorString(status_t code, const char **words) {
  for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
    if (CODES[i].code == code) return *words = CODES[i].words, SUCCESS;
  *words = "unrecognized error code"; /* NULL in the driver, which pycuda does not survive */
  return INVALID_VALUE;
}

status_t cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
                             int *found);

#define PLAIN(name) {#name, (void *)name}
#define VERSION_2(name) {#name, (void *)name##_v2}
static const struct {
  const char *name;
  void *function;
} FUNCTIONS[] = {
    PLAIN(cuInit), PLAIN(cuDriverGetVersion), PLAIN(cuDeviceGetCount), PLAIN(cuDeviceGet),
    PLAIN(cuDeviceGetName), VERSION_2(cuDeviceTotalMem), PLAIN(cuDeviceGetAttribute),
    PLAIN(cuDevicePrimaryCtxRetain), VERSION_2(cuDevicePrimaryCtxRelease),
    PLAIN(cuCtxSetCurrent), PLAIN(cuCtxSynchronize), VERSION_2(cuMemGetInfo),
    VERSION_2(cuMemAlloc), VERSION_2(cuMemFree), PLAIN(cuMemHostAlloc),
    VERSION_2(cuMemHostGetDevicePointer), PLAIN(cuMemFreeHost), PLAIN(cuStreamCreate),
    PLAIN(cuStreamSynchronize), VERSION_2(cuStreamDestroy), VERSION_2(cuMemcpyHtoDAsync),
    VERSION_2(cuMemcpyDtoHAsync), VERSION_2(cuStreamBeginCapture), PLAIN(cuStreamEndCapture),
    PLAIN(cuGraphGetNodes), PLAIN(cuGraphInstantiateWithFlags),
    {"cuGraphInstantiate", (void *)cuGraphInstantiateWithFlags}, /* its name from 12.0 */
    PLAIN(cuGraphUpload), PLAIN(cuGraphLaunch), PLAIN(cuGraphExecDestroy), PLAIN(cuGraphDestroy),
    PLAIN(cuEventCreate), PLAIN(cuEventRecord), PLAIN(cuEventSynchronize),
    VERSION_2(cuEventElapsedTime), VERSION_2(cuEventDestroy), PLAIN(cuGetErrorName),
    PLAIN(cuGetErrorString), VERSION_2(cuGetProcAddress), /* 12.8 asks for it by itself */
};

status_t cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
                             int *found) {
  (void)flags;
  note("cuGetProcAddress %s %d", name, version);
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
    if (!strcmp(FUNCTIONS[i].name, name)) {
      *function = FUNCTIONS[i].function;
      if (found) *found = 0;
      return SUCCESS;
    }
  *function = NULL;
  if (found) *found = 1;
  return NOT_FOUND;
}

status_t cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, NULL);
}

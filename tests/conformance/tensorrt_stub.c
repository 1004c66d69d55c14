/* What TensorRT's Python bindings look for when they are imported, and nothing behind it.
 *
 * Compiled three times, as libnvinfer, libnvinfer_plugin and libnvonnxparser, it lets the real
 * bindings of any version be imported without the libraries, which can't be had from a package
 * index. Their classes, enumerations and methods are then the real ones. Whatever would need a
 * library gets a null pointer: nothing can be built or run.
 */

#define NOTHING(name)              \
    void *name(void) { return 0; } \
    typedef int name##_is_defined

NOTHING(createInferBuilder_INTERNAL);
NOTHING(createInferRefitter_INTERNAL);
NOTHING(createInferRuntime_INTERNAL);
NOTHING(createNvOnnxParserRefitter_INTERNAL);
NOTHING(createNvOnnxParser_INTERNAL);
NOTHING(getBuilderPluginRegistry);
NOTHING(getPluginRegistry);

int getNvOnnxParserVersion(void) { return 0; }
int initLibNvInferPlugins(void) { return 0; }

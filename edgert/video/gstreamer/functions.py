"""What is called of GStreamer's C libraries, with its types; structures whose fields are read.

Both are part of GStreamer's stable interface: 1.0 to 1.26 agree in them. Functions with a variable
number of arguments (g_object_set) are left out, for ctypes does not know where they begin.
"""

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_ulong, c_void_p
from typing import Any, ClassVar

SECOND_NS = 1_000_000_000
NO_TIME = 2**64 - 1  # GST_CLOCK_TIME_NONE
FORMAT_BYTES, FORMAT_TIME = 2, 3
STATE_NULL, STATE_READY, STATE_PAUSED, STATE_PLAYING = 1, 2, 3, 4
STATE_CHANGE_FAILURE = 0
MESSAGE_EOS, MESSAGE_ERROR, MESSAGE_WARNING = 1, 2, 4
MAP_READ = 1
BUFFER_CORRUPTED = 1 << 8
TYPE_STRING = 16 << 2  # G_TYPE_STRING
DECODER_OF_VIDEO = 1 | 1 << 49 | 1 << 51  # GST_ELEMENT_FACTORY_TYPE_DECODER, of video or images
CONFIGURE = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)  # "media-configure"
UNPREPARED = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
FILTER = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)


class Error(ctypes.Structure):
    """GError."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        ("domain", ctypes.c_uint32),
        ("code", c_int),
        ("message", c_char_p),
    ]


class Value(ctypes.Structure):
    """GValue."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [("type", c_size_t), ("data", c_uint64 * 2)]


class MiniObject(ctypes.Structure):
    """GstMiniObject, the beginning of buffers and messages."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        ("type", c_size_t),
        ("references", c_int),
        ("lock", c_int),
        ("flags", c_uint),
        ("copy", c_void_p),
        ("dispose", c_void_p),
        ("free", c_void_p),
        ("private_number", c_uint),
        ("private_pointer", c_void_p),
    ]


class Buffer(ctypes.Structure):
    """The beginning of a GstBuffer."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        ("mini", MiniObject),
        ("pool", c_void_p),
        ("pts", c_uint64),
    ]


class Message(ctypes.Structure):
    """The beginning of a GstMessage."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        ("mini", MiniObject),
        ("kind", c_int),
        ("time", c_uint64),
        ("source", c_void_p),
    ]


class Map(ctypes.Structure):
    """GstMapInfo."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        ("memory", c_void_p),
        ("flags", c_int),
        ("data", c_void_p),
        ("size", c_size_t),
        ("maxsize", c_size_t),
        ("user", c_void_p * 4),
        ("reserved", c_void_p * 4),
    ]


class VideoMeta(ctypes.Structure):
    """GstVideoMeta, up to what is read."""

    _fields_: ClassVar[list[tuple[str, Any]]] = [
        ("meta_flags", c_int),
        ("info", c_void_p),
        ("buffer", c_void_p),
        ("flags", c_int),
        ("format", c_int),
        ("id", c_int),
        ("width", c_uint),
        ("height", c_uint),
        ("planes", c_uint),
        ("offset", c_size_t * 4),
        ("stride", c_int * 4),
    ]


P = c_void_p
_GST: dict[str, tuple[Any, ...]] = {
    "gst_init_check": (c_int, P, P, POINTER(POINTER(Error))),
    "gst_segtrap_set_enabled": (None, c_int),
    "gst_version_string": (P,),
    "gst_parse_launch": (P, c_char_p, POINTER(POINTER(Error))),
    "gst_bin_get_by_name": (P, P, c_char_p),
    "gst_bin_iterate_recurse": (P, P),
    "gst_iterator_next": (c_int, P, POINTER(Value)),
    "gst_iterator_free": (None, P),
    "gst_element_set_state": (c_int, P, c_int),
    "gst_element_get_state": (c_int, P, P, P, c_uint64),
    "gst_element_get_bus": (P, P),
    "gst_element_get_factory": (P, P),
    "gst_element_query_duration": (c_int, P, c_int, POINTER(ctypes.c_int64)),
    "gst_element_factory_find": (P, c_char_p),
    "gst_element_factory_make": (P, c_char_p, c_char_p),
    "gst_element_factory_get_element_type": (c_size_t, P),
    "gst_element_factory_list_is_type": (c_int, P, c_uint64),
    "gst_plugin_feature_load": (P, P),
    "gst_plugin_feature_set_rank": (None, P, c_uint),
    "gst_object_get_name": (P, P),
    "gst_object_ref": (P, P),
    "gst_object_unref": (None, P),
    "gst_mini_object_ref": (P, P),
    "gst_mini_object_unref": (None, P),
    "gst_bus_pop_filtered": (POINTER(Message), P, c_int),
    "gst_message_parse_error": (None, P, POINTER(POINTER(Error)), POINTER(P)),
    "gst_message_parse_warning": (None, P, POINTER(POINTER(Error)), POINTER(P)),
    "gst_sample_get_buffer": (POINTER(Buffer), P),
    "gst_sample_get_caps": (P, P),
    "gst_sample_get_segment": (P, P),
    "gst_segment_to_stream_time": (c_uint64, P, c_int, c_uint64),
    "gst_caps_get_structure": (P, P, c_uint),
    "gst_caps_from_string": (P, c_char_p),
    "gst_structure_get_int": (c_int, P, c_char_p, POINTER(c_int)),
    "gst_structure_get_fraction": (c_int, P, c_char_p, POINTER(c_int), POINTER(c_int)),
    "gst_structure_get_string": (c_char_p, P, c_char_p),
    "gst_buffer_map": (c_int, P, POINTER(Map), c_int),
    "gst_buffer_unmap": (None, P, POINTER(Map)),
    "gst_buffer_new_allocate": (P, P, c_size_t, P),
    "gst_buffer_fill": (c_size_t, P, c_size_t, P, c_size_t),
    "gst_util_set_object_arg": (None, P, c_char_p, c_char_p),
}
_APP: dict[str, tuple[Any, ...]] = {
    "gst_app_sink_try_pull_sample": (P, P, c_uint64),
    "gst_app_sink_is_eos": (c_int, P),
    "gst_app_src_push_buffer": (c_int, P, P),
    "gst_app_src_end_of_stream": (c_int, P),
}
_VIDEO: dict[str, tuple[Any, ...]] = {"gst_buffer_get_video_meta": (POINTER(VideoMeta), P)}
_GLIB: dict[str, tuple[Any, ...]] = {
    "g_free": (None, P),
    "g_error_free": (None, POINTER(Error)),
    "g_quark_to_string": (c_char_p, ctypes.c_uint32),
    "g_main_context_new": (P,),
    "g_main_context_unref": (None, P),
    "g_main_context_iteration": (c_int, P, c_int),
    "g_main_context_wakeup": (None, P),
    "g_main_context_push_thread_default": (None, P),
    "g_main_context_pop_thread_default": (None, P),
    "g_source_attach": (c_uint, P, P),
    "g_source_destroy": (None, P),
    "g_source_unref": (None, P),
}
_GOBJECT: dict[str, tuple[Any, ...]] = {
    "g_type_class_ref": (P, c_size_t),
    "g_type_class_unref": (None, P),
    "g_object_class_find_property": (P, P, c_char_p),
    "g_object_set_property": (None, P, c_char_p, POINTER(Value)),
    "g_object_ref": (P, P),
    "g_object_unref": (None, P),
    "g_value_init": (P, POINTER(Value), c_size_t),
    "g_value_set_string": (None, POINTER(Value), c_char_p),
    "g_value_get_object": (P, POINTER(Value)),
    "g_value_unset": (None, POINTER(Value)),
    "g_signal_connect_data": (c_ulong, P, c_char_p, P, P, P, c_int),
}
_SERVER: dict[str, tuple[Any, ...]] = {
    "gst_rtsp_server_new": (P,),
    "gst_rtsp_server_set_address": (None, P, c_char_p),
    "gst_rtsp_server_set_service": (None, P, c_char_p),
    "gst_rtsp_server_get_mount_points": (P, P),
    "gst_rtsp_server_get_thread_pool": (P, P),
    "gst_rtsp_server_create_source": (P, P, P, POINTER(POINTER(Error))),
    "gst_rtsp_server_get_bound_port": (c_int, P),
    "gst_rtsp_server_client_filter": (P, P, FILTER, P),
    "gst_rtsp_thread_pool_set_max_threads": (None, P, c_int),
    "gst_rtsp_mount_points_add_factory": (None, P, c_char_p, P),
    "gst_rtsp_mount_points_remove_factory": (None, P, c_char_p),
    "gst_rtsp_media_factory_new": (P,),
    "gst_rtsp_media_factory_set_launch": (None, P, c_char_p),
    "gst_rtsp_media_factory_set_shared": (None, P, c_int),
    "gst_rtsp_media_get_element": (P, P),
}
GLIB, GOBJECT = "libglib-2.0.so.0", "libgobject-2.0.so.0"
GST, APP, VIDEO = "libgstreamer-1.0.so.0", "libgstapp-1.0.so.0", "libgstvideo-1.0.so.0"
SERVER = "libgstrtspserver-1.0.so.0"
# Result first, then arguments, by library and function.
FUNCTIONS = {
    GLIB: _GLIB, GOBJECT: _GOBJECT, GST: _GST, APP: _APP, VIDEO: _VIDEO, SERVER: _SERVER
}  # fmt: skip

# The libraries of others, all from Debian; libopenvswitch is built once by build-openvswitch.sh.

find_package(Threads REQUIRED)
find_package(Protobuf CONFIG QUIET)
if(NOT TARGET protobuf::libprotobuf)
  find_package(Protobuf REQUIRED)
endif()
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(GTest CONFIG REQUIRED)
if(XPU_STATIC_LIBRARIES)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/cmake/build-curl.sh
                  OUTPUT_VARIABLE curl_dir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE curl_failed)
  if(curl_failed EQUAL 3)
    message(WARNING "Programs get the machine's own libcurl, and need it and all that it needs where they run")
  elseif(curl_failed)
    message(FATAL_ERROR "libcurl could not be built; the lines above say why")
  else()
    find_package(OpenSSL REQUIRED)
    add_library(CURL::libcurl STATIC IMPORTED GLOBAL)
    set_target_properties(CURL::libcurl PROPERTIES IMPORTED_LOCATION ${curl_dir}/lib/libcurl.a
                          INTERFACE_INCLUDE_DIRECTORIES ${curl_dir}/include
                          INTERFACE_COMPILE_DEFINITIONS CURL_STATICLIB)
    target_link_libraries(CURL::libcurl INTERFACE PkgConfig::NGHTTP2 OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
  endif()
endif()
if(NOT TARGET CURL::libcurl)
  find_package(CURL REQUIRED)
endif()
find_package(SQLite3 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBNL REQUIRED IMPORTED_TARGET libnl-3.0 libnl-route-3.0)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent libevent_pthreads)
pkg_check_modules(FUSE3 REQUIRED IMPORTED_TARGET fuse3)
pkg_check_modules(YAMLCPP REQUIRED IMPORTED_TARGET yaml-cpp)

find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

# Open vSwitch: XPU_OVS_DIR holds include/, lib/, bin/ and share/ (see build-openvswitch.sh).
if(NOT XPU_OVS_DIR OR NOT EXISTS ${XPU_OVS_DIR}/complete)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/cmake/build-openvswitch.sh
                  OUTPUT_VARIABLE ovs_dir OUTPUT_STRIP_TRAILING_WHITESPACE
                  RESULT_VARIABLE ovs_failed)
  if(ovs_failed)
    message(FATAL_ERROR "Open vSwitch could not be built; the lines above say why")
  endif()
  set(XPU_OVS_DIR ${ovs_dir} CACHE PATH "Open vSwitch built by build-openvswitch.sh" FORCE)
endif()
add_library(openvswitch STATIC IMPORTED GLOBAL)
set_target_properties(openvswitch PROPERTIES IMPORTED_LOCATION ${XPU_OVS_DIR}/lib/libopenvswitch.a)
# Headers of C with names that clash with the system's (e.g. util.h), so last in the search and as system.
target_include_directories(openvswitch SYSTEM INTERFACE ${XPU_OVS_DIR}/include ${XPU_OVS_DIR}/include/lib)
target_link_libraries(openvswitch INTERFACE Threads::Threads m resolv)
# A tree that was configured where libunbound happened to be installed needs it.
file(STRINGS ${XPU_OVS_DIR}/include/config.h ovs_has_unbound REGEX "^#define HAVE_UNBOUND 1")
if(ovs_has_unbound)
  target_link_libraries(openvswitch INTERFACE unbound)
endif()

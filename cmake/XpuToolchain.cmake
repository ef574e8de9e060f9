# Compiler settings that hold for every target of the project.

# Dev compiles as fast as the compiler can: most of its time goes into the headers of gRPC and protobuf. Line
# tables only (-g1) keep links short and stack traces readable.
set(CMAKE_C_FLAGS_DEV "-O0 -g1")
set(CMAKE_CXX_FLAGS_DEV "-O0 -g1")
# A fuzzer's worth is in its executions a second.
set(CMAKE_C_FLAGS_FUZZ "-O1 -g1")
set(CMAKE_CXX_FLAGS_FUZZ "-O1 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Dev CACHE STRING "" FORCE)
endif()

set(XPU_SANITIZE "" CACHE STRING "Sanitizers for the whole build, as -fsanitize= takes them")
option(XPU_WERROR "Treat warnings as errors" ON)

add_compile_options(-Wall -Wextra -Wno-missing-field-initializers)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
                    $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>)
if(XPU_WERROR)
  add_compile_options(-Werror)
endif()
if(XPU_SANITIZE)
  add_compile_options(-fsanitize=${XPU_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${XPU_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Its flow analysis reports false positives in instrumented library headers.
    add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds)
  endif()
  if(XPU_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)
    # The sanitizer does not see into Debian's libraries, so it is told of absl's locks.
    set(sanitize ${CMAKE_SOURCE_DIR}/test/sanitize/absl_synchronization.cc)
    file(STRINGS ${sanitize} wrapped REGEX "^XPU_WRAPPED")
    list(TRANSFORM wrapped REPLACE "^XPU_WRAPPED\\([a-z]+, ([A-Za-z0-9_]+),.*" "-Wl,--wrap=\\1")
    add_link_options(${wrapped})
    add_library(xpu_tsan STATIC ${sanitize})
    link_libraries(xpu_tsan)
  endif()
endif()

find_program(XPU_LLD ld.lld)
if(XPU_LLD)
  add_link_options(-fuse-ld=lld)
endif()
add_link_options(-Wl,--as-needed)

find_program(XPU_CCACHE ccache)
if(XPU_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${XPU_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${XPU_CCACHE})
endif()

include_directories(${CMAKE_SOURCE_DIR})

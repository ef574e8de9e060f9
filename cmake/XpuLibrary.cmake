# xpu_library, xpu_binary and xpu_test: the only ways a target of this project is made.
#
# Every library has a LAYER. An arrow may point down or sideways to what was declared earlier, never up:
# a library that names one of a higher layer, or one that does not exist yet, is refused when CMake
# configures. As a library must exist before it is named, there are no cycles either.
#
#   layer 0  proto/, common/base, common/json, common/cel, common/log  words of the project, no I/O
#   layer 1  common/sys, common/sqlite, common/tls, common/api   the kernel, files, OpenSSL, kinds
#   layer 2  common/http, common/rpc, common/kube, common/opi, common/ctrl   talking to others
#   layer 3  models, planners, journals, inventories  what a process knows
#   layer 4  services, controllers, attach, sessions  what a process does
#   layer 5  the processes (RunX)
#   layer 6  test/lib and tests of several processes

function(xpu_check_layer target layer)
  foreach(dep IN LISTS ARGN)
    if(NOT TARGET ${dep})
      if(dep MATCHES "^xpu_")
        message(FATAL_ERROR "${target} (layer ${layer}) depends on ${dep}, which is not declared yet: "
                            "declare it in a folder that comes earlier, or turn the arrow round")
      endif()
      continue()
    endif()
    get_target_property(dep_layer ${dep} XPU_LAYER)
    if(dep_layer MATCHES "^[0-9]+$" AND dep_layer GREATER layer)
      message(FATAL_ERROR "${target} (layer ${layer}) depends on ${dep} (layer ${dep_layer}): arrows point "
                          "down only. Move the shared part down, or pass it in through a seam")
    endif()
  endforeach()
endfunction()

# xpu_library(NAME LAYER n [SRCS ...] [DEPS ...] [PRIVATE_DEPS ...] [TESTS ...] [TEST_DEPS ...])
# TESTS are GoogleTest sources beside the code; they become the program NAME_test.
function(xpu_library name)
  cmake_parse_arguments(A "" "LAYER" "SRCS;DEPS;PRIVATE_DEPS;TESTS;TEST_DEPS" ${ARGN})
  if(NOT DEFINED A_LAYER)
    message(FATAL_ERROR "${name} needs a LAYER (cmake/XpuLibrary.cmake says which)")
  endif()
  if(A_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${name}: what is '${A_UNPARSED_ARGUMENTS}'?")
  endif()
  xpu_check_layer(${name} ${A_LAYER} ${A_DEPS} ${A_PRIVATE_DEPS})
  if(A_SRCS)
    add_library(${name} STATIC ${A_SRCS})
    target_link_libraries(${name} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${A_DEPS} ${A_PRIVATE_DEPS})
  endif()
  set_target_properties(${name} PROPERTIES XPU_LAYER ${A_LAYER})
  if(A_TESTS)
    xpu_test(${name}_test SRCS ${A_TESTS} DEPS ${name} ${A_TEST_DEPS})
  endif()
endfunction()

# Sources that are not compiled together with others of their target, as the presets for development do it to save
# nine tenths of the time that goes into common headers: what stands in their anonymous namespaces has names that
# others use as well.
function(xpu_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# Refuses a program that links one of the libraries in ARGN, by whatever way.
function(xpu_check_without program)
  set(seen ${program})
  set(queue ${program})
  set(way_of_${program} ${program})
  while(queue)
    list(POP_FRONT queue target)
    set(libraries "")
    foreach(property LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
      get_target_property(found ${target} ${property})
      if(found)
        list(APPEND libraries ${found})
      endif()
    endforeach()
    foreach(library IN LISTS libraries)
      # What a library of archives needs itself.
      string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" library "${library}")
      if(library IN_LIST ARGN)
        message(FATAL_ERROR "${program} must not link ${library}, but does: ${way_of_${target}} -> ${library}. "
                            "Put what needs it into a library of its own")
      endif()
      if(TARGET "${library}" AND NOT library IN_LIST seen)
        list(APPEND seen ${library})
        list(APPEND queue ${library})
        set(way_of_${library} "${way_of_${target}} -> ${library}")
      endif()
    endforeach()
  endwhile()
endfunction()

# xpu_binary(NAME SRCS ... DEPS ... [STATIC] [WITHOUT libraries]): a program, built into bin/. WITHOUT names what it
# must not link, not by way of its libraries either: it would be in its memory.
function(xpu_binary name)
  cmake_parse_arguments(A "STATIC" "" "SRCS;DEPS;WITHOUT" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS})
  if(A_WITHOUT)
    xpu_check_without(${name} ${A_WITHOUT})
  endif()
  if(A_STATIC)
    target_link_options(${name} PRIVATE -static)
    # Read by xpu_proto: which protobuf library it takes.
    set_target_properties(${name} PROPERTIES XPU_STATIC ON)
  endif()
endfunction()

# xpu_test(NAME SRCS ... DEPS ... [SERIAL|ALONE] [TIMEOUT seconds])
# One program; each of its tests is a CTest of its own. SERIAL tests share something of the machine that
# there is only one of (say what, where it is used) and never run at the same time as another SERIAL one; ALONE
# tests run at no other's time.
function(xpu_test name)
  cmake_parse_arguments(A "SERIAL;ALONE" "TIMEOUT" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${A_SRCS})
  target_link_libraries(${name} PRIVATE ${A_DEPS} GTest::gmock GTest::gtest GTest::gtest_main)
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  set(properties TIMEOUT ${A_TIMEOUT})
  if(A_SERIAL)
    list(APPEND properties RESOURCE_LOCK machine)
  endif()
  if(A_ALONE)
    list(APPEND properties RUN_SERIAL TRUE)
  endif()
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()

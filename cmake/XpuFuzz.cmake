# xpu_fuzz_target(NAME SRCS ... DEPS ...): an entry point for libFuzzer, LLVMFuzzerTestOneInput, with a corpus in
# test/fuzz/corpus/NAME, one file an input.
#
# In the preset "fuzz" it becomes a fuzzer; the target xpu_fuzz builds them all, './dev fuzz' runs them. In every other
# preset it becomes a test that hands it each file of the corpus, so that what was found once stays found everywhere.
option(XPU_FUZZ "Build fuzzers, with clang" OFF)
if(XPU_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "libFuzzer is clang's: use the preset 'fuzz'")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
  # What is found is to end the program; undefined behaviour goes on otherwise.
  add_compile_options(-fno-sanitize-recover=all)
  add_custom_target(xpu_fuzz)
  set(XPU_FUZZERS ${CMAKE_BINARY_DIR}/fuzzers)
  file(WRITE ${XPU_FUZZERS} "")
endif()

function(xpu_fuzz_target name)
  cmake_parse_arguments(A "" "" "SRCS;DEPS" ${ARGN})
  set(corpus ${CMAKE_SOURCE_DIR}/test/fuzz/corpus/${name})
  if(NOT IS_DIRECTORY ${corpus})
    message(FATAL_ERROR "${name} needs a corpus: put at least one input into ${corpus}")
  endif()
  if(XPU_FUZZ)
    add_executable(${name} ${A_SRCS})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(xpu_fuzz ${name})
    file(APPEND ${XPU_FUZZERS} "${name}\n")
  else()
    add_executable(${name} ${A_SRCS} ${CMAKE_SOURCE_DIR}/test/fuzz/replay.cc)
    add_test(NAME Fuzz.${name} COMMAND ${name} ${corpus})
    set_tests_properties(Fuzz.${name} PROPERTIES TIMEOUT 120)
  endif()
  target_link_libraries(${name} PRIVATE ${A_DEPS})
endfunction()

# Configures layer_guard/ with CASE and holds the outcome against what that case must give.
set(expected_up "arrows point down only")
set(expected_sideways_forward "is not declared yet")
set(expected_undeclared "is not declared yet")
set(expected_no_layer "needs a LAYER")
set(expected_without_reached "program must not link heavy, but does: program -> xpu_c -> xpu_b -> heavy")

file(REMOVE_RECURSE ${WORK_DIR})
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/layer_guard -B ${WORK_DIR} -DCASE=${CASE}
          -DXPU_SOURCE_DIR=${SOURCE_DIR}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
file(REMOVE_RECURSE ${WORK_DIR})
string(REGEX REPLACE "[ \n]+" " " output "${output}")

if(DEFINED expected_${CASE})
  if(result EQUAL 0)
    message(FATAL_ERROR "case ${CASE} was configured, but must be refused")
  endif()
  if(NOT output MATCHES "${expected_${CASE}}")
    message(FATAL_ERROR "case ${CASE} was refused, but not with '${expected_${CASE}}': ${output}")
  endif()
elseif(NOT result EQUAL 0)
  message(FATAL_ERROR "case ${CASE} must be configured, but: ${output}")
endif()

# xpu_proto(NAME SRCS a/b.proto ... [DEPS other_proto_libs] [GRPC] [LITE])
# Paths are relative to proto/. C++ is generated into the build tree and included as "a/b.pb.h".
# GRPC adds NAME_grpc with the service stubs ("a/b.grpc.pb.h"), a target of its own so that what needs
# only the messages does not link gRPC.
set(XPU_PROTO_OUT ${CMAKE_BINARY_DIR}/proto-gen)
file(MAKE_DIRECTORY ${XPU_PROTO_OUT})
find_library(XPU_PROTOBUF_LITE_STATIC libprotobuf-lite.a REQUIRED)

# All that protoc writes, for those that read sources without building them.
add_custom_target(xpu_protos)

function(xpu_proto name)
  cmake_parse_arguments(A "GRPC;LITE" "" "SRCS;DEPS" ${ARGN})
  set(proto_dir ${CMAKE_SOURCE_DIR}/proto)
  set(messages "")
  set(stubs "")
  foreach(src IN LISTS A_SRCS)
    string(REGEX REPLACE "\\.proto$" "" stem ${src})
    set(out ${XPU_PROTO_OUT}/${stem})
    add_custom_command(
      OUTPUT ${out}.pb.cc ${out}.pb.h
      COMMAND ${PROTOC} -I${proto_dir} --cpp_out=${XPU_PROTO_OUT} ${src}
      DEPENDS ${proto_dir}/${src} COMMENT "protoc ${src}" VERBATIM)
    list(APPEND messages ${out}.pb.cc ${out}.pb.h)
    if(A_GRPC)
      add_custom_command(
        OUTPUT ${out}.grpc.pb.cc ${out}.grpc.pb.h
        COMMAND ${PROTOC} -I${proto_dir} --grpc_out=generate_mock_code=false:${XPU_PROTO_OUT}
                --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN} ${src}
        DEPENDS ${proto_dir}/${src} COMMENT "protoc --grpc ${src}" VERBATIM)
      list(APPEND stubs ${out}.grpc.pb.cc ${out}.grpc.pb.h)
    endif()
  endforeach()
  add_custom_target(${name}_files DEPENDS ${messages} ${stubs})
  add_dependencies(xpu_protos ${name}_files)
  add_library(${name} STATIC ${messages})
  target_include_directories(${name} SYSTEM PUBLIC ${XPU_PROTO_OUT})
  if(A_LITE)
    # The lite library where the program is static (its target property XPU_STATIC) and so takes from it only what it
    # calls; else the full one, of which lite is a part: a process must not have both, and gRPC brings the full one.
    target_link_libraries(${name} PUBLIC ${A_DEPS}
      $<IF:$<BOOL:$<TARGET_PROPERTY:XPU_STATIC>>,${XPU_PROTOBUF_LITE_STATIC},protobuf::libprotobuf>)
  else()
    target_link_libraries(${name} PUBLIC protobuf::libprotobuf ${A_DEPS})
  endif()
  target_compile_options(${name} PRIVATE -w)
  # All files that protoc writes have the same static names.
  set_target_properties(${name} PROPERTIES XPU_LAYER 0 UNITY_BUILD OFF)
  if(A_GRPC)
    add_library(${name}_grpc STATIC ${stubs})
    target_link_libraries(${name}_grpc PUBLIC ${name} gRPC::grpc++)
    target_compile_options(${name}_grpc PRIVATE -w)
    set_target_properties(${name}_grpc PROPERTIES XPU_LAYER 0)
  endif()
endfunction()
